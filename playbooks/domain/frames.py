"""Where a step of a run stands: its key, and the frame that it runs in.

A frame is one turn of an `each` or a `repeat`, or the run itself. The step `isolate` of the fourth item of `hosts`
has the key `hosts[3].isolate` and runs in the frame `hosts[3]`; the frame of the run is "".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TOP = ""


def key_in(frame: str, name: str) -> str:
    """The key of the step `name` in a frame."""
    return f"{frame}.{name}" if frame else name


def turn_of(block: str, index: int) -> str:
    """The frame of the turn `index`, from 0, of the block with this key."""
    return f"{block}[{index}]"


def name_of(key: str) -> str:
    """The id that the step has in the playbook."""
    return key.rpartition(".")[2]


def block_of(frame: str) -> str:
    """The key of the step whose turn the frame is."""
    return frame.rpartition("[")[0]


def index_of(frame: str) -> int:
    return int(frame.rpartition("[")[2].rstrip("]"))


def frame_of(key: str) -> str:
    return key.rpartition(".")[0]


def enclosing(frame: str) -> tuple[str, ...]:
    """The frames that hold this one, the innermost first, the run's own last. None hold the run's own."""
    frames = []
    while frame:
        frame = frame_of(block_of(frame))
        frames.append(frame)
    return tuple(frames)


@dataclass(frozen=True, slots=True)
class Row:
    """A step of a run, as far as order goes. `needs` are ids of the same frame."""

    key: str
    needs: tuple[str, ...]
    is_repeated: bool = False  # a step of kind repeat: each turn follows the one before


def needs_between(rows: Mapping[str, Row]) -> dict[str, tuple[str, ...]]:
    """Key -> the keys that it needs, across the frames: what a turn begins with needs what its block needs (and,
    of a repeat, the whole turn before), and a block needs all that it holds.
    """
    held: dict[str, list[str]] = {}
    for key in rows:
        held.setdefault(frame_of(key), []).append(key)
    needs: dict[str, tuple[str, ...]] = {}
    for key, row in rows.items():
        inside = [each for frame, keys in held.items() if frame and block_of(frame) == key for each in keys]
        needs[key] = tuple(dict.fromkeys([*_before(row, rows, held), *inside]))
    return needs


def _before(row: Row, rows: Mapping[str, Row], held: Mapping[str, list[str]]) -> list[str]:
    frame = frame_of(row.key)
    if row.needs:
        return [key_in(frame, need) for need in row.needs]
    if not frame:
        return []
    block = rows[block_of(frame)]
    previous = turn_of(block.key, index_of(frame) - 1)
    if block.is_repeated and previous in held:
        return held[previous]
    return _before(block, rows, held)
