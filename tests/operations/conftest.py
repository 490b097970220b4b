"""What the operations do to the world of tests/executor/world.py."""

from __future__ import annotations

from tests.databases import any_time
from tests.executor.conftest import begin, fake, world

__all__ = ["any_time", "begin", "fake", "world"]
