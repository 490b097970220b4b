"""A real `nft` that can be held: the address is blocked already, and the worker has not heard it yet."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.waiting import until

# Performs what it is asked for. After a creation it notes which process asked, and ends when nobody holds the gate.
PROGRAM = """\
#!/bin/sh
input=$(cat)
printf '%s' "$input" | {real} "$@"
status=$?
case "$input" in *'"create"'*)
  echo "$PPID $status" >> {folder}/performed
  flock {folder}/gate true
esac
exit $status
"""


@dataclass(frozen=True, slots=True)
class HeldNft:
    """The program lies over /usr/sbin/nft in the mount namespace of the workers alone."""

    folder: Path

    @property
    def prefix(self) -> Sequence[str]:
        """What comes before a worker's command, so that it finds this program (mount_namespaces(7))."""
        script = f'mount --bind {self.folder}/nft {_place()} && exec "$@"'
        return ("unshare", "--mount", "sh", "-c", script, "worker")

    @contextmanager
    def held(self) -> Iterator[None]:
        """As long as the block lasts, no creation is answered."""
        with (self.folder / "gate").open("w") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            yield

    def creations(self) -> list[list[int]]:
        """For each creation that was sent: the process that asked, and the exit status of nft."""
        noted = self.folder / "performed"
        lines = noted.read_text().splitlines() if noted.exists() else []
        return [[int(word) for word in line.split()] for line in lines]

    def wait_for_creation(self) -> int:
        """The process that asked for the first one."""
        return until(self.creations, "a worker creates an element", within=10)[0][0]


def make(folder: Path) -> HeldNft:
    real = folder / "real-nft"
    shutil.copy2(_place(), real)
    program = folder / "nft"
    program.write_text(PROGRAM.format(real=real, folder=folder))
    program.chmod(0o755)
    (folder / "gate").touch()
    return HeldNft(folder)


def _place() -> str:
    found = shutil.which("nft", path="/usr/sbin:/usr/bin:/sbin:/bin")  # as the connector looks for it
    assert found is not None
    return str(Path(found).resolve())
