"""A directory of playbooks as YAML, such as the working tree of a Git repository.

Nothing outside of it is read or written: symbolic links are refused, hidden files and directories are left alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from playbooks.domain.problems import Problem, Unreadable
from playbooks.domain.reader import MAX_BYTES

SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Found:
    """A file of the tree, or a link in it."""

    path: Path

    def read(self) -> str:
        """The text with its line ends as they are. Raises Unreadable."""
        if self.path.is_symlink():
            raise Unreadable([Problem(1, 1, "this is a symbolic link, which is not followed")])
        if not self.path.is_file():
            raise Unreadable([Problem(1, 1, "this is no file")])
        if (size := self.path.stat().st_size) > MAX_BYTES:
            raise Unreadable([Problem(1, 1, f"the file has {size} bytes; at most {MAX_BYTES} are read")])
        return _decoded(self.path.read_bytes())


def files(directory: Path) -> Iterator[Found]:
    """What is to be read, in the order of the names, and every link to a directory."""
    for folder, folders, names in os.walk(directory):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if Path(folder, name).is_symlink()]
        texts = [name for name in names if name.endswith(SUFFIXES) and not name.startswith(".")]
        yield from (Found(Path(folder, name)) for name in sorted([*links, *texts]))


def write(directory: Path, slug: str, text: str) -> bool:
    """Puts the text into the playbook's file, whole or not at all; False where it is there already.

    Raises OSError, also where a link or a directory is in the way.
    """
    path = directory / f"{slug}.yaml"
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise FileExistsError("this is a symbolic link or no file, and is not written to")
    content = text.encode()
    if path.exists() and path.read_bytes() == content:
        return False
    beside = directory / f".{slug}.yaml.new"
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
        file.write(content)
    beside.replace(path)
    return True


def _decoded(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start]
        column = error.start - before.rfind(b"\n")
        raise Unreadable([Problem(before.count(b"\n") + 1, column, "this byte is not UTF-8")]) from None
