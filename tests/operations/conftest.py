"""What the operations do to the world of tests/executor/world.py."""

from __future__ import annotations

from tests.executor.conftest import begin, fake, world

__all__ = ["begin", "fake", "world"]
