"""A PostgreSQL server of one's own, which can be stopped as hard as a power cut would."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DATABASE = "simulation"


def programs() -> Path | None:
    """The folder with initdb and pg_ctl, or None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@dataclass(frozen=True, slots=True)
class Cluster:
    """`home` holds its data and its socket, by which alone it can be reached."""

    programs: Path
    home: Path

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/{DATABASE}?host={self.home}"

    def start(self) -> None:
        """Returns when it answers. What a stop left half done is put right first."""
        options = f"-k {self.home} -c listen_addresses= -c fsync=off -c shared_buffers=32MB"
        self._control("-l", str(self.home / "log"), "-w", "-o", options, "start")

    def stop(self) -> None:
        """At once, without a checkpoint and without a word to anybody who is connected."""
        self._control("-m", "immediate", "stop")

    def make(self) -> None:
        self._run(
            "initdb", "-D", str(self.home / "data"), "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8"
        )
        self.start()
        self._run("createdb", "-h", str(self.home), "-U", "postgres", DATABASE)

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self.home / "data"), *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        """As the user postgres, since the server refuses to run as root."""
        command = [str(self.programs / program), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, user=_owner(), cwd=self.home)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A new and empty one, gone afterwards."""
    folder = programs()
    assert folder is not None, "no PostgreSQL server is installed"
    with tempfile.TemporaryDirectory(prefix="simulation-") as home:
        os.chown(home, _owner() or -1, -1)
        made = Cluster(folder, Path(home))
        made.make()
        try:
            yield made
        finally:
            made.stop()


def _owner() -> int | None:
    """None where we are an ordinary user already."""
    return pwd.getpwnam("postgres").pw_uid if os.geteuid() == 0 else None
