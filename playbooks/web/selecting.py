"""Which step of a run, or which turn of a block, the reader has opened: it stands in the address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpRequest

from playbooks.domain.frames import block_of, enclosing, frame_of

_NAME, _TURN = r"[a-z0-9_]{1,64}", r"\[\d{1,5}\]"
_PLACE = re.compile(rf"{_NAME}(?:{_TURN}\.{_NAME}){{0,8}}(?:{_TURN})?")


@dataclass(frozen=True, slots=True)
class Selection:
    """`place` is the key of a step or the frame of a turn, empty for none. `lap` is the number of a rollback, 0 for
    the run itself; `page` is that of the turns, `part` that of a
    long run's own steps; `is_whole` asks for all of them, and for the graph of all.
    """

    place: str = ""
    lap: int = 0
    page: int = 1
    part: int = 0
    is_whole: bool = False

    @property
    def is_turn(self) -> bool:
        return self.place.endswith("]")

    @property
    def frames(self) -> tuple[str, ...]:
        """The turns that are open, the innermost first."""
        if self.lap or not self.place:
            return ()
        frame = self.place if self.is_turn else frame_of(self.place)
        return tuple(each for each in (frame, *enclosing(frame)) if each)

    @property
    def open_steps(self) -> frozenset[str]:
        """The steps that are open: the selected one, and the blocks around it."""
        around = {block_of(frame) for frame in self.frames}
        return frozenset(around if self.is_turn or not self.place else {*around, self.place})

    @property
    def own_step(self) -> str:
        """The step of the run itself that is open, or holds what is."""
        return self.place.partition("[")[0]

    @property
    def query(self) -> str:
        """As it stands in the address, without a question mark."""
        parts = query_of(self.place, lap=self.lap, page=self.page).removeprefix("?")
        more = {"part": str(self.part) if self.part else "", "graph": "all" if self.is_whole else ""}
        return "&".join(each for each in (parts, urlencode({k: v for k, v in more.items() if v})) if each)


def selection_of(request: HttpRequest) -> Selection:
    """What the address says; nothing for what cannot be a place in a run."""
    place = request.GET.get("step", "")
    return Selection(
        place if _PLACE.fullmatch(place) else "",
        lap=_number(request, "rollback", 0),
        page=_number(request, "turns", 1),
        part=_number(request, "part", 0),
        is_whole=request.GET.get("graph") == "all",
    )


def query_of(place: str, *, lap: int = 0, page: int = 1) -> str:
    """The query of the address that opens a place, with its question mark; empty for none."""
    parts = {"step": place, "rollback": str(lap) if lap else "", "turns": str(page) if page > 1 else ""}
    return f"?{urlencode({name: value for name, value in parts.items() if value})}" if place else ""


def anchor(place: str, *, lap: int = 0) -> str:
    """The id of a step or a turn on the page of its run."""
    return f"step-{lap}-{place}"


def _number(request: HttpRequest, name: str, otherwise: int) -> int:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else otherwise
