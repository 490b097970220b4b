"""Runs the parts of the embedded product as child processes: they live and die together.

Standard library only. `manage.py up` prepares the database and then becomes this program, so that the parent of all
is a small process: python -m playbooks.management.supervisor NAME=JSON-COMMAND….
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

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

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, preexec_fn=_die_with_parent)  # noqa: PLW1509, S603
        self.started_at = time.monotonic()


@dataclass
class Supervisor:
    children: Sequence[Child]
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
            child.start()

    def _note_end(self, child: Child, code: int, now: float) -> None:
        child.failures = 0 if now - child.started_at > STEADY else child.failures + 1
        pause = min(0.25 * 2**child.failures, LONGEST_PAUSE)
        sys.stderr.write(f"{child.name} ended with {code} and starts again in {pause:.1f} s.\n")
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


def become(children: Sequence[Child]) -> NoReturn:
    """Replaces this process by the supervisor of `children`."""
    described = [f"{child.name}={json.dumps(list(child.command))}" for child in children]
    os.execv(sys.executable, [sys.executable, "-m", __name__, *described])  # noqa: S606


def _die_with_parent() -> None:
    """On Linux the kernel ends the child when its parent dies, even by SIGKILL. Ctrl-C reaches only the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _child(described: str) -> Child:
    name, _, command = described.partition("=")
    return Child(name, json.loads(command))


if __name__ == "__main__":
    Supervisor([_child(each) for each in sys.argv[1:]]).run()
