"""The one way in which these tests wait: they look until they see it, or say what they did not see."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")
PAUSE = 0.05  # seconds between two looks


def until(look: Callable[[], Found], what: str, *, within: float = 30.0) -> Found:
    """What `look` finds, as soon as it is true. Raises TimeoutError after so many seconds, with `what` was awaited."""
    pause, give_up_at = threading.Event(), time.monotonic() + within
    while not (found := look()):
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"After {within:g} seconds still not: {what}.")
        pause.wait(PAUSE)
    return found
