"""Reading an evidence bundle, which may come from anybody: a zip file with known members and bounded lines.

Nothing is unpacked to the disk and no member is ever held in memory beyond a limit, so neither path tricks
nor zip bombs have anything to work on. Standard library only: this module is part of the offline verifier.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from types import TracebackType

MEMBER = re.compile(
    r"manifest\.json|entries\.jsonl|proofs\.jsonl|checkpoint|README\.txt|verify\.py|versions/[0-9a-f]{64}\.json"
)
CORE = frozenset({"manifest.json", "entries.jsonl", "proofs.jsonl", "checkpoint"})
MAX_MEMBERS = 10_000
MAX_MEMBER = 16 * 1024 * 1024  # bytes of a member that is read whole
MAX_LINE = 64 * 1024


class RefusalError(Exception):
    """Why the bundle is refused, a sentence, and the name of the entry where it is one entry."""

    def __init__(self, reason: str, entry: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.entry = entry


class Archive:
    """An open bundle. Raises RefusalError for what no bundle looks like."""

    def __init__(self, path: str) -> None:
        self._zip = zipfile.ZipFile(path)
        members = self._zip.infolist()
        self.names = frozenset(member.filename for member in members)
        if len(members) > MAX_MEMBERS or len(self.names) != len(members):
            raise RefusalError("The bundle has too many files, or two with the same name.")
        for member in members:
            _require_plain(member)
        if not self.names >= CORE:
            raise RefusalError(f"The bundle lacks {', '.join(sorted(CORE - self.names))}.")

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def read(self, name: str) -> bytes:
        with self._zip.open(name) as file:
            content = file.read(MAX_MEMBER + 1)
        if len(content) > MAX_MEMBER:
            raise RefusalError(f"{name} is larger than any that this program writes.")
        return content

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a member, without their ends."""
        with self._zip.open(name) as file:
            while line := file.readline(MAX_LINE + 1):
                if not line.endswith(b"\n"):
                    raise RefusalError(
                        f"{name} has a line that is longer than any entry, or that is cut off."
                    )
                yield line[:-1]


def _require_plain(member: zipfile.ZipInfo) -> None:
    if not MEMBER.fullmatch(member.filename):
        raise RefusalError(f"The bundle has a file that no bundle has: {member.filename[:100]}")
    if member.flag_bits & 1 or member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise RefusalError(f"{member.filename} is encrypted, or compressed in a way that no bundle is.")
