"""Claim, perform, settle, sweep: how steps become effects.

The intent is committed before the effect, the outcome once after it, and recovery only makes steps claimable again.
"""

from playbooks.executor.drive import drive
from playbooks.executor.sweep import sweep

__all__ = ["drive", "sweep"]
