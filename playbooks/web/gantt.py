"""When each step of a run was worked on and waited, as bars beside a common axis.

All places are percentages of the axis, so that the picture fits any width and its text is never stretched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from playbooks.domain.statuses import RUN_ENDED, AttemptStatus, RunStatus, StepStatus, WaitReason
from playbooks.queries.runs import RequestOfRun, RunView, StepView
from playbooks.web.selecting import anchor, query_of

THINNEST = 0.6  # per cent: what is shorter is drawn as a mark of this width
MOST_TICKS = 5
_STEPS = [timedelta(seconds=each) for each in (1, 2, 5, 10, 15, 30)]
_STEPS += [timedelta(minutes=each) for each in (1, 2, 5, 10, 15, 30)]
_STEPS += [timedelta(hours=each) for each in (1, 2, 4, 6, 12)] + [
    timedelta(days=each) for each in (1, 2, 7, 30)
]
_PEOPLE = frozenset({WaitReason.APPROVAL, WaitReason.ANSWER})
_BLOCKS_AND_CHILDREN = frozenset({"each", "repeat", "run"})


@dataclass(frozen=True, slots=True)
class Span:
    """`kind` is work, wait, or people: a wait for an approval or an answer. `status` gives the colour."""

    kind: str
    status: str
    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Bar:
    """`x` and `width` in per cent of the axis."""

    kind: str
    status: str
    x: str
    width: str


@dataclass(frozen=True, slots=True)
class Row:
    """One step: what the picture says, and the same in words. `ended_at` is None while it goes on."""

    title: str
    url: str
    level: int
    status: str
    began_at: datetime
    ended_at: datetime | None
    waited: timedelta
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    x: str
    label: str


@dataclass(frozen=True, slots=True)
class Gantt:
    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]

    @property
    def ends_with_tick(self) -> bool:
        """Whether the last label would stand out if it were centred."""
        return bool(self.ticks) and float(self.ticks[-1].x.rstrip("%")) > 95


def gantt_of_run(run: RunView, now: datetime) -> Gantt:
    """The steps that have begun, in the order in which they did, those of a rollback after them."""
    laps = [(0, run.steps), *((each.number, each.steps) for each in run.rollbacks)]
    ends = {each.step: each.changed_at for each in run.steps}
    asked = _requests_by_step(run.requests)
    found = [
        (step, lap, spans)
        for lap, steps in laps
        for step in steps
        if (spans := _spans(step, run, ends, asked if lap == 0 else {}, now))
    ]
    found.sort(key=lambda each: (each[1], each[2][0].begin))
    begin, end = _axis(run, [span for _, _, spans in found for span in spans], now)
    scale = _Scale(begin, end - begin)
    return Gantt(
        tuple(_row(step, lap, spans, scale) for step, lap, spans in found), tuple(_ticks(begin, end - begin))
    )


def _requests_by_step(requests: Iterable[RequestOfRun]) -> dict[str, list[RequestOfRun]]:
    found: dict[str, list[RequestOfRun]] = {}
    for each in requests:
        found.setdefault(each.step, []).append(each)
    return found


def _spans(
    step: StepView,
    run: RunView,
    ends: Mapping[str, datetime],
    asked: Mapping[str, Sequence[RequestOfRun]],
    now: datetime,
) -> list[Span]:
    """What is known of a step's time, in order. A step that has not begun, or never did, has none."""
    if step.status in {StepStatus.PENDING, StepStatus.SKIPPED} or step.adopted_from:
        return []
    spans = [
        Span("people", each.status, each.opened_at, each.closed_at or now)
        for each in asked.get(step.step, ())
    ]
    spans += [
        Span("work", _colour(each.status), each.started_at, each.ended_at or now) for each in step.attempts
    ]
    spans += _pauses(spans)
    if _waits_now(step) and not asked.get(step.step):
        spans.append(_wait_until(now, step, spans))
    elif not spans and step.status != StepStatus.CANCELLED:
        spans.append(_span_without_attempts(step, run, ends))
    return sorted(spans, key=lambda each: each.begin)


def _waits_now(step: StepView) -> bool:
    return step.status in {StepStatus.WAITING, StepStatus.UNKNOWN}


def _wait_until(now: datetime, step: StepView, spans: Sequence[Span]) -> Span:
    begin = _last_end(spans, step.changed_at)
    if step.kind in _BLOCKS_AND_CHILDREN:
        return Span("work", StepStatus.RUNNING, begin, now)
    is_for_people = step.wait_reason in _PEOPLE or step.status == StepStatus.UNKNOWN
    return Span("people" if is_for_people else "wait", step.status, begin, now)


def _colour(status: str) -> str:
    return StepStatus.RUNNING if status == AttemptStatus.PENDING else status


def _pauses(spans: Sequence[Span]) -> list[Span]:
    """What lies between two attempts."""
    work = sorted((each for each in spans if each.kind == "work"), key=lambda each: each.begin)
    return [
        Span("wait", "waiting", one.end, other.begin)
        for one, other in pairwise(work)
        if other.begin > one.end
    ]


def _last_end(spans: Sequence[Span], otherwise: datetime) -> datetime:
    return max((each.end for each in spans if each.end <= otherwise), default=otherwise)


def _span_without_attempts(step: StepView, run: RunView, ends: Mapping[str, datetime]) -> Span:
    """Of a question, a timer, a block: it began when what it needed had ended."""
    frame = step.step.rpartition(".")[0]
    before = [ends[key] for need in step.needs if (key := f"{frame}.{need}" if frame else need) in ends]
    begin = min(max(before, default=run.created_at), step.changed_at)
    kind = {"ask": "people", "wait": "wait"}.get(step.kind, "work")
    return Span(kind, step.status, begin, step.changed_at)


def _axis(run: RunView, spans: Sequence[Span], now: datetime) -> tuple[datetime, datetime]:
    is_live = run.status not in RUN_ENDED or run.status == RunStatus.ROLLING_BACK
    last = max([each.end for each in spans] + ([now] if is_live else []), default=run.created_at)
    return run.created_at, max(last, run.created_at + timedelta(seconds=1))


@dataclass(frozen=True, slots=True)
class _Scale:
    begin: datetime
    length: timedelta

    def bar(self, span: Span) -> Bar:
        width = max(100 * (span.end - span.begin) / self.length, THINNEST)
        x = min(max(100 * (span.begin - self.begin) / self.length, 0), 100 - THINNEST)
        return Bar(span.kind, span.status, f"{x:.2f}%", f"{min(width, 100 - x):.2f}%")


def _row(step: StepView, lap: int, spans: Sequence[Span], scale: _Scale) -> Row:
    is_over = step.status not in {
        StepStatus.READY,
        StepStatus.RUNNING,
        StepStatus.WAITING,
        StepStatus.UNKNOWN,
    }
    waited = sum((each.end - each.begin for each in spans if each.kind != "work"), timedelta())
    return Row(
        title=f"Undoing {step.title}" if step.undoes else step.title,
        url=f"{query_of(step.step, lap=lap)}#{anchor(step.step, lap=lap)}",
        level=step.step.count("."),
        status=step.status,
        began_at=spans[0].begin,
        ended_at=spans[-1].end if is_over else None,
        waited=waited,
        bars=tuple(scale.bar(each) for each in spans),
    )


def _ticks(begin: datetime, length: timedelta) -> Iterable[Tick]:
    step = next((each for each in _STEPS if length / each <= MOST_TICKS), _STEPS[-1])
    for number in range(int(length / step) + 1):
        at = step * number
        yield Tick(f"{100 * at / length:.2f}%", _label(at) if number else f"{begin:%H:%M:%S}")


def _label(after: timedelta) -> str:
    seconds = int(after.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds % size == 0:
            return f"+{seconds // size} {unit}"
    return f"+{seconds} s" if seconds < 60 else f"+{seconds // 60} min {seconds % 60} s"
