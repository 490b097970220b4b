"""The turns of the steps that hold others: counted, never loaded at once, shown page by page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Case, Count, F, Func, IntegerField, Min, Q, QuerySet, Value, When
from django.db.models.functions import Reverse, Right, StrIndex

from playbooks.domain.frames import block_of, index_of, turn_of
from playbooks.domain.governance import kind_of
from playbooks.domain.kinds import BLOCKS
from playbooks.domain.statuses import StepStatus, TurnStatus
from playbooks.domain.waiting import Turns
from playbooks.models import Principal, Run, Step, Turn
from playbooks.queries.runs.rows import runs

SIZE = 50
# What asks for attention comes first.
_FIRST = (TurnStatus.FAILED, TurnStatus.RUNNING)
ATTENTION = (
    StepStatus.UNKNOWN,
    StepStatus.FAILED,
    StepStatus.WAITING,
    StepStatus.RUNNING,
    StepStatus.READY,
    StepStatus.PENDING,
    StepStatus.CANCELLED,
    StepStatus.SUCCEEDED,
    StepStatus.SKIPPED,
)


@dataclass(frozen=True, slots=True)
class TurnView:
    """`path` is the frame of its steps, `number` counts from 1. `item` is that of an `each`."""

    path: str
    number: int
    status: str
    item: Any
    outputs: Mapping[str, Any]
    sentence: str
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class TurnPage:
    """One page of the turns of a block, the failed ones first. `number` and `pages` count from 1."""

    step: str
    number: int
    pages: int
    turns: tuple[TurnView, ...]


@dataclass(frozen=True, slots=True)
class InnerStep:
    """A step of the playbook inside the block `block`, over all turns: {status: how many}.

    `example` is the key of one that asks for attention most, empty while none has begun; `turns` counts those of a
    block inside a block.
    """

    step: str
    title: str
    kind: str
    action: str
    block: str
    needs: tuple[str, ...]
    counts: Mapping[str, int]
    example: str
    turns: Turns | None


def turn_page(run: UUID, block: str, number: int) -> TurnPage | None:
    """The page `number` of the turns of the block with this key; the nearest one for a number that is none."""
    rows = Turn.objects.filter(step__run=run, step__round=0, step__key=block)
    pages = -(-rows.count() // SIZE)
    if not pages:
        return None
    number = min(max(number, 1), pages)
    urgency = Case(
        *(When(status=each.value, then=Value(place)) for place, each in enumerate(_FIRST)),
        default=Value(len(_FIRST)),
        output_field=IntegerField(),
    )
    found = rows.select_related("step").order_by(urgency, "index")[(number - 1) * SIZE : number * SIZE]
    return TurnPage(block, number, pages, tuple(turn_view(each) for each in found))


def turns_at(run: UUID, frames: Sequence[str]) -> dict[str, TurnView]:
    """The turns whose frames these are, by frame."""
    if not frames:
        return {}
    places = Q()
    for frame in frames:
        places |= Q(step__key=block_of(frame), index=index_of(frame))
    rows = Turn.objects.filter(places, step__run=run, step__round=0).select_related("step")
    views = [turn_view(row) for row in rows]
    return {view.path: view for view in views}


def turn_rows(run: UUID, block: str, person: Principal) -> QuerySet[Turn] | None:
    """The turns of the block with this key; None where the person may not know of the run."""
    if not runs(person).filter(pk=run).exists():
        return None
    return Turn.objects.filter(step__run=run, step__round=0, step__key=block).select_related("step")


def turn_view(turn: Turn) -> TurnView:
    return TurnView(
        path=turn_of(turn.step.key, turn.index),
        number=turn.index + 1,
        status=turn.status,
        item=turn.item,
        outputs=turn.outputs,
        sentence=turn.sentence,
        started_at=turn.started_at,
        ended_at=turn.ended_at,
    )


def counted(blocks: Iterable[UUID]) -> dict[UUID, Turns]:
    """How the turns of each block stand, in one query."""
    keys = list(blocks)
    if not keys:
        return {}
    rows = Turn.objects.filter(step__in=keys).values_list("step", "status").annotate(count=Count("pk"))
    counts: dict[UUID, dict[str, int]] = {key: {} for key in keys}
    for block, status, count in rows:
        counts[block][status] = count
    return {key: _turns(each) for key, each in counts.items()}


def inner_steps(
    run: Run, bodies: Mapping[str, Mapping[str, Any]], blocks: Mapping[str, str]
) -> Sequence[InnerStep]:
    """The steps inside blocks, in the order of the playbook, counted in two queries however many turns there are.

    `bodies` are all steps of the document by id, `blocks` the ids of the blocks that hold them.
    """
    inner = [name for name, block in blocks.items() if block]
    if not inner:
        return ()
    statuses, turns = _statuses(run), _turns_of_inner(run)
    return tuple(
        _inner(bodies[name], blocks[name], statuses.get(name, {}), turns.get(name)) for name in inner
    )


def _inner(
    body: Mapping[str, Any], block: str, found: Mapping[str, tuple[int, str]], turns: Turns | None
) -> InnerStep:
    kind = kind_of(body)
    first = next((found[each] for each in ATTENTION if each in found), (0, ""))
    return InnerStep(
        step=body["id"],
        title=body.get("title") or body["id"],
        kind=kind,
        action=body.get("do", ""),
        block=block,
        needs=tuple(body["needs"]),
        counts={status: count for status, (count, _) in found.items()},
        example=first[1],
        turns=(turns or Turns()) if kind in BLOCKS else None,
    )


def _name(column: str) -> Func:
    """What follows the last dot of a key: the step's id in the playbook."""
    return Right(F(column), StrIndex(Reverse(F(column)), Value(".")) - 1)


def _statuses(run: Run) -> dict[str, dict[str, tuple[int, str]]]:
    """Of each step inside a block: {status: (how many, the key of one)}."""
    inner = Step.objects.filter(run=run, round=0).exclude(frame="").annotate(playbook_id=_name("key"))
    rows = (
        inner.order_by().values_list("playbook_id", "status").annotate(count=Count("pk"), example=Min("key"))
    )
    found: dict[str, dict[str, tuple[int, str]]] = {}
    for name, status, count, example in rows:
        found.setdefault(name, {})[status] = (count, example)
    return found


def _turns_of_inner(run: Run) -> dict[str, Turns]:
    inner = Turn.objects.filter(step__run=run, step__round=0).exclude(step__frame="")
    rows = (
        inner.annotate(playbook_id=_name("step__key"))
        .values_list("playbook_id", "status")
        .annotate(count=Count("pk"))
    )
    counts: dict[str, dict[str, int]] = {}
    for name, status, count in rows:
        counts.setdefault(name, {})[status] = count
    return {name: _turns(each) for name, each in counts.items()}


def _turns(counts: Mapping[str, int]) -> Turns:
    return Turns(
        count=sum(counts.values()),
        running=counts.get(TurnStatus.RUNNING, 0),
        succeeded=counts.get(TurnStatus.SUCCEEDED, 0),
        failed=counts.get(TurnStatus.FAILED, 0),
        cancelled=counts.get(TurnStatus.CANCELLED, 0),
    )
