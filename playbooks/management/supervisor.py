"""Runs the parts of the embedded product as child processes: they live and die together."""

from __future__ import annotations

import ctypes
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

logger = logging.getLogger(__name__)

GRACE = 8.0  # seconds that a child has to end by itself
LONGEST_PAUSE = 10.0
STEADY = 30.0  # seconds after which a child counts as healthy again
PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass
class Child:
    """One part. `command` is started anew, after a growing pause, whenever it ends by itself."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    resume_at: float = 0.0

    def start(self, environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(self.command, env=dict(environment), preexec_fn=_die_with_parent)  # noqa: PLW1509, S603
        self.started_at = time.monotonic()


@dataclass
class Supervisor:
    children: Sequence[Child]
    environment: Mapping[str, str]
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Starts the children and returns after SIGTERM or SIGINT, when all of them have ended."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop.set())
        try:
            while not self.stop.wait(0.2):
                for child in self.children:
                    self._tend(child)
        finally:
            self._end_all()

    def _tend(self, child: Child) -> None:
        now = time.monotonic()
        if child.process is not None and child.process.poll() is not None:
            self._note_end(child, child.process.returncode, now)
        if child.process is None and now >= child.resume_at:
            child.start(self.environment)

    def _note_end(self, child: Child, code: int, now: float) -> None:
        child.failures = 0 if now - child.started_at > STEADY else child.failures + 1
        pause = min(0.25 * 2**child.failures, LONGEST_PAUSE)
        logger.warning("%s ended with %s and starts again in %.1f s.", child.name, code, pause)
        child.process, child.resume_at = None, now + pause

    def _end_all(self) -> None:
        running = [child.process for child in self.children if child.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + GRACE
        for process in running:
            try:
                process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _die_with_parent() -> None:
    """On Linux the kernel ends the child when its parent dies, even by SIGKILL. Terminals signal only the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
