"""What the page of a run shows: its steps as rows, of which one is open, and the turns of the open block."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils import timezone
from django.utils.safestring import SafeString

from playbooks.domain.exits import Standing
from playbooks.domain.frames import block_of, frame_of
from playbooks.domain.statuses import RUN_ENDED, STEP_ENDED, RunStatus, StepStatus, WaitReason
from playbooks.models import Principal
from playbooks.queries.runs import (
    Part,
    RequestOfRun,
    RunView,
    StepView,
    TurnPage,
    TurnView,
    Wait,
    Window,
    run_part,
    turn_page,
    turns_at,
)
from playbooks.web.gantt import Gantt, gantt_of_run
from playbooks.web.graphs import graph_of_run
from playbooks.web.selecting import Selection, anchor, query_of

MOST_STEPS = 60  # of the run itself, that one page shows, and for which it draws the graph
MOST_WAITS = 5  # shown at the top, what needs a person first
PASSING = frozenset({Standing.READY.value, WaitReason.TURNS.value})  # not worth a word beside others


@dataclass(frozen=True, slots=True)
class ShownTurn:
    """A turn in the list of a block's; `steps` are those of the open one."""

    view: TurnView
    anchor: str
    query: str
    steps: tuple[ShownStep, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownTurns:
    """The turns of an open block: one page of them, or the one that is open alone."""

    turns: tuple[ShownTurn, ...]
    is_one: bool
    all_query: str
    previous_query: str = ""
    next_query: str = ""
    summary: str = ""


@dataclass(frozen=True, slots=True)
class ShownStep:
    """A step as a row; what only its open panel shows is empty while it is closed."""

    view: StepView
    anchor: str
    query: str
    is_open: bool
    took_from: datetime | None
    took_to: datetime | None
    wait: Wait | None = None
    advice: str = ""
    requests: tuple[RequestOfRun, ...] = ()
    turns: ShownTurns | None = None


@dataclass(frozen=True, slots=True)
class ShownWait:
    """Why something does not move, and how many other steps wait for just the same."""

    view: Wait
    others: int


@dataclass(frozen=True, slots=True)
class Live:
    """What changes while a run goes on. `revision` is another one as soon as anything of it is."""

    is_live: bool
    revision: str
    progress: str
    count: int
    window: Window | None
    graph: SafeString | None  # of a very long run drawn only when it is asked for
    steps: tuple[ShownStep, ...]
    rollbacks: tuple[tuple[ShownStep, ...], ...]
    waits: tuple[ShownWait, ...]
    more_waits: int
    gantt: Gantt


@dataclass(frozen=True, slots=True)
class _Page:
    """What the rows are made of."""

    run: RunView
    selection: Selection
    turns: Mapping[str, TurnView]
    page: TurnPage | None
    by_frame: Mapping[str, Sequence[StepView]]
    window: Window | None


def page_of_run(pk: UUID, person: Principal, selection: Selection) -> tuple[RunView, Live] | None:
    """None where the person may not know of the run."""
    most = None if selection.is_whole else MOST_STEPS
    around = "" if selection.lap else selection.own_step
    part = Part(frames=selection.frames, most=most, page=selection.part, around=around)
    found = run_part(pk, person, part)
    if found is None:
        return None
    run, window = found
    page = turn_page(pk, selection.place, selection.page) if _is_block(run, selection) else None
    return run, _live(
        _Page(run, selection, turns_at(pk, selection.frames), page, _by_frame(run.steps), window)
    )


def _is_block(run: RunView, selection: Selection) -> bool:
    return not selection.lap and any(
        each.step == selection.place and each.turns is not None for each in run.steps
    )


def _by_frame(steps: Iterable[StepView]) -> dict[str, list[StepView]]:
    found: dict[str, list[StepView]] = {}
    for each in steps:
        found.setdefault(frame_of(each.step) if "]." in each.step else "", []).append(each)
    return found


def _live(page: _Page) -> Live:
    run, top = page.run, page.by_frame.get("", ())
    seen = repr((run, page.selection, page.page, page.turns))
    count = sum(run.counts.values())
    ended = sum(run.counts.get(each, 0) for each in STEP_ENDED)
    waits = _shown_waits(run)
    return Live(
        is_live=run.status not in RUN_ENDED,
        revision=hashlib.sha256(seen.encode()).hexdigest()[:16],
        progress=f"{ended} of {count} steps ended",
        count=count,
        window=page.window,
        graph=None if page.window else graph_of_run(run),
        steps=tuple(_shown(each, page) for each in top),
        rollbacks=tuple(
            tuple(_shown(step, page, lap=each.number) for step in each.steps) for each in run.rollbacks
        ),
        waits=waits[:MOST_WAITS],
        more_waits=sum(1 + each.others for each in waits[MOST_WAITS:]),
        gantt=gantt_of_run(run, timezone.now()),
    )


def _shown_waits(run: RunView) -> tuple[ShownWait, ...]:
    """What the reader has to know first, then the others, those that say the same together."""
    told: dict[tuple[str, str], list[Wait]] = {}
    for each in run.waits if run.why else ():
        if each is run.why or each.reason not in PASSING:
            told.setdefault((each.reason, each.sentence), []).append(each)
    return tuple(ShownWait(same[0], len(same) - 1) for same in told.values())


def _shown(step: StepView, page: _Page, *, lap: int = 0) -> ShownStep:
    selection = page.selection
    is_open = selection.lap == lap and step.step in selection.open_steps
    first, last = step.attempts[:1], step.attempts[-1:]
    return ShownStep(
        step,
        anchor(step.step, lap=lap),
        query="" if is_open else query_of(step.step, lap=lap),
        is_open=is_open,
        took_from=first[0].started_at if first else None,
        took_to=last[0].ended_at if last and step.status in STEP_ENDED else None,
        **(_panel(step, page, lap) if is_open else {}),  # type: ignore[arg-type]
    )


def _panel(step: StepView, page: _Page, lap: int) -> dict[str, object]:
    """What the open step shows."""
    is_own = lap == 0
    return {
        "wait": next((each for each in page.run.waits if each.step == step.step), None),
        "advice": advice(step, page.run),
        "requests": tuple(each for each in page.run.requests if is_own and each.step == step.step),
        "turns": _turns(step, page) if is_own and step.turns else None,
    }


def _turns(block: StepView, page: _Page) -> ShownTurns | None:
    """The open turn of the block, or a page of all."""
    frame = next((each for each in page.selection.frames if block_of(each) == block.step), "")
    everything = query_of(block.step)
    if frame and frame in page.turns:
        return ShownTurns((_turn(page.turns[frame], page, is_open=True),), True, everything)
    if page.page is None or page.page.step != block.step:
        return None
    number, pages = page.page.number, page.page.pages
    return ShownTurns(
        tuple(_turn(each, page) for each in page.page.turns),
        is_one=False,
        all_query=everything,
        previous_query=query_of(block.step, page=number - 1) if number > 1 else "",
        next_query=query_of(block.step, page=number + 1) if number < pages else "",
        summary=f"Page {number} of {pages}",
    )


def _turn(turn: TurnView, page: _Page, *, is_open: bool = False) -> ShownTurn:
    steps = page.by_frame.get(turn.path, ()) if is_open else ()
    return ShownTurn(
        turn, anchor(turn.path), query_of(turn.path), tuple(_shown(each, page) for each in steps)
    )


def advice(step: StepView, run: RunView) -> str:
    """What to do about a step that did not do what it should, empty for others."""
    if step.status == StepStatus.UNKNOWN:
        return "Look at the far side and say what you find. Nothing is repeated before somebody does."
    if step.status != StepStatus.FAILED:
        return ""
    if step.undoes:
        return "Take this back by hand, or mend the cause and roll back again: what is undone stays undone."
    return _after_failure(run)


def _after_failure(run: RunView) -> str:
    if run.status not in RUN_ENDED | {RunStatus.ROLLING_BACK}:
        return "The run has not ended: what is to follow a failure still runs."
    if "run_again" in run.may:
        return "Mend the cause, then run again from here: what succeeded is taken over and not repeated."
    if run.rollbacks:
        return "This run was taken back. Mend the cause, then start a new run."
    return "Mend the cause; somebody who may start runs can then run it again from here."
