"""The product's own processes, as an administrator would start them, and the CPU time that they take."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from playbooks.management.supervisor import _die_with_parent

ROOT = Path(__file__).resolve().parents[2]
WORKER = (sys.executable, "-m", "tests.bench.worker")
BEAT = (sys.executable, "-m", "celery", "-A", "soar", "beat", "--loglevel=ERROR")
SEQUENCER = (sys.executable, "manage.py", "sequence")


@dataclass
class Crew:
    """Each process leads a group of its own, to which its children belong."""

    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - no threads yet
        )
        self.processes.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL to the process and its children."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.processes.remove(process)

    def cpu_seconds(self) -> float:
        """User and system time of all the groups."""
        groups = {process.pid for process in self.processes}
        return sum(_cpu_of(stat, groups) for stat in Path("/proc").glob("[0-9]*/stat"))

    def end(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in list(self.processes):
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.processes.clear()


@contextmanager
def crew(*commands: Sequence[str]) -> Iterator[Crew]:
    """Processes that run until the block ends."""
    started = Crew()
    try:
        for command in commands:
            started.start(command)
        yield started
    finally:
        started.end()


def _cpu_of(stat: Path, groups: set[int]) -> float:
    """Seconds from proc(5): the fields after the name are state, ppid, pgrp, …, utime and stime as 14 and 15."""
    try:
        fields = stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0  # it ended while we looked
    if int(fields[2]) not in groups:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
