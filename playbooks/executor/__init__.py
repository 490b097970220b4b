"""Claim, perform, settle, sweep: how steps become effects. Deliver: how notices go out.

The intent is committed before the effect, the outcome once after it, and recovery only makes steps claimable again.
"""

from playbooks.executor.deliver import deliver
from playbooks.executor.drive import drive
from playbooks.executor.sweep import sweep

__all__ = ["deliver", "drive", "sweep"]
