"""One run as somebody sees it: what it does, what it has done, why it waits, and what the viewer may do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Prefetch, Q
from django.utils import timezone

from playbooks import access
from playbooks.domain.governance import Side, side_of
from playbooks.domain.statuses import RUN_ENDED, RequestStatus, RunStatus, StepStatus
from playbooks.models import ApprovalRequest, Principal, Run, RunTrigger, Seat, Step
from playbooks.queries.runs.rows import RunRow, head, runs, with_documents
from playbooks.queries.runs.steps import Loaded, StepView, completed, load, rows_with_attempts, step_view
from playbooks.queries.runs.turns import InnerStep, inner_steps
from playbooks.queries.runs.waits import Wait, waits_of, why_of

_QUIET = (StepStatus.SUCCEEDED, StepStatus.SKIPPED, StepStatus.CANCELLED)
MOST_REQUESTS = 200
MOST_UNKNOWN = 20
MAY_ROLL_BACK = RUN_ENDED - {RunStatus.ROLLED_BACK}
MAY_RUN_AGAIN = frozenset({RunStatus.FAILED, RunStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class RollbackRound:
    """Its steps in the order of the plan; of a very long one the first."""

    number: int
    steps: tuple[StepView, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a long run's own steps is shown: `most` at a time, `page` counts from 1."""

    page: int
    pages: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which steps are wanted. `frames` are turns whose steps are wanted as well, such as hosts[3].

    Of a run with more than `most` steps of its own only one page is: the one numbered `page`, else the one with the
    step `around`, else the first on which something has not ended well. Without `most` all are.
    """

    frames: tuple[str, ...] = ()
    most: int | None = None
    page: int = 0
    around: str = ""


@dataclass(frozen=True, slots=True)
class RequestOfRun:
    id: UUID
    step: str
    status: str
    question: str
    digest: str
    opened_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView(RunRow):
    """`why` is what a reader has to know first about why the run does not move, `waits` is all that does not.

    `steps` are those of the run itself and of the turns that were asked for, `inner` the steps inside blocks, counted
    over all turns. `counts` has of the run's own steps how many are in each status. `previous` is the run of the same
    playbook before. `may` names what the viewer may do now: cancel, cancel_again, pause, resume, roll_back, resolve,
    run_again.
    """

    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    why: Wait | None
    waits: tuple[Wait, ...]
    steps: tuple[StepView, ...]
    counts: Mapping[str, int]
    inner: tuple[InnerStep, ...]
    rollbacks: tuple[RollbackRound, ...]
    requests: tuple[RequestOfRun, ...]
    previous: UUID | None
    may: tuple[str, ...]


def run_view(run: UUID, person: Principal) -> RunView | None:
    """All steps of the run itself, none of its turns. None where the person may not know of it."""
    found = run_part(run, person, Part())
    return found[0] if found else None


def run_part(run: UUID, person: Principal, part: Part) -> tuple[RunView, Window | None] | None:
    """The run with the part of its steps that is wanted, and which part that is; None as its place where it is all.

    None where there is no such run or the person may not know of it.
    """
    found = with_documents(runs(person)).select_related("paused_by").filter(pk=run).first()
    if found is None:
        return None
    side = side_of(found.version.document, {})
    counts = _counts(found) if part.most else None
    window = _window(found, sum(counts.values()), part) if counts else None
    loaded, requests = load(found, part.frames, _positions(window)), _requests(found, part.frames)
    titles = {name: body.get("title", "") for name, body in side.steps.items()}
    waits = waits_of(found, side.steps, requests, timezone.now())
    view = RunView(
        **head(found),
        inputs=found.inputs,
        outputs=found.outputs,
        why=why_of(found, waits),
        waits=waits,
        steps=_views(loaded, 0, titles),
        counts=counts or Counter(each.status for each in loaded.rows if not each.round and not each.frame),
        inner=_inner(found, side),
        rollbacks=tuple(
            RollbackRound(number, _views(loaded, number, titles)) for number in range(1, found.rollbacks + 1)
        ),
        requests=tuple(_request(each) for each in requests),
        previous=_previous(found, person),
        may=_may(found, waits, access.permissions_of(person)),
    )
    return view, window


def unknown_steps(run: RunView) -> tuple[StepView, ...]:
    """The steps of the run, on any level, of which nobody knows whether they happened."""
    titles = {each.step: each.title for each in run.steps} | {each.step: each.title for each in run.inner}
    unknown = Step.objects.filter(run=run.id, status=StepStatus.UNKNOWN).order_by("changed_at", "pk")
    loaded = completed(list(rows_with_attempts(unknown)[:MOST_UNKNOWN]))
    return tuple(step_view(each, loaded, titles) for each in loaded.rows)


def _views(loaded: Loaded, number: int, titles: Mapping[str, str]) -> tuple[StepView, ...]:
    return tuple(step_view(each, loaded, titles) for each in loaded.rows if each.round == number)


def _counts(run: Run) -> dict[str, int]:
    rows = run.steps.filter(round=0, frame="").order_by().values_list("status").annotate(count=Count("pk"))
    return dict(rows)


def _window(run: Run, count: int, part: Part) -> Window | None:
    """None where all steps of the run itself are wanted, or there are few."""
    if part.most is None or count <= part.most:
        return None
    pages = -(-count // part.most)
    own = run.steps.filter(round=0, frame="").order_by("position")
    wanted = own.filter(key=part.around) if part.around else own.exclude(status__in=_QUIET)
    first = None if part.page else wanted.values_list("position", flat=True).first()
    page = part.page or (first or 0) // part.most + 1
    return Window(min(page, pages), pages, part.most)


def _positions(window: Window | None) -> range | None:
    return range((window.page - 1) * window.most, window.page * window.most) if window else None


def _inner(run: Run, side: Side) -> tuple[InnerStep, ...]:
    """A run that takes a change back has none: it does not run the playbook."""
    return () if run.trigger == RunTrigger.EXPIRY else tuple(inner_steps(run, side.steps, side.blocks))


def _requests(run: Run, frames: Sequence[str]) -> list[ApprovalRequest]:
    """The open ones, and those of the steps that are shown."""
    seats = Seat.objects.order_by("position")
    shown = Q(status=RequestStatus.OPEN) | Q(step__frame__in=["", *frames])
    rows = run.requests.filter(shown).select_related("step").prefetch_related(Prefetch("seats", seats))
    return list(rows.order_by("opened_at", "pk")[:MOST_REQUESTS])


def _request(request: ApprovalRequest) -> RequestOfRun:
    return RequestOfRun(
        request.pk,
        request.step.key,
        request.status,
        request.question,
        request.digest,
        request.opened_at,
        request.closed_at,
    )


def _previous(run: Run, person: Principal) -> UUID | None:
    """The run that this one repeats, else the one of the same playbook before it."""
    if run.repeats_id:
        return run.repeats_id
    before = runs(person).filter(version__playbook=run.version.playbook_id, created_at__lt=run.created_at)
    return before.exclude(trigger=RunTrigger.EXPIRY).values_list("pk", flat=True).first()


def _may(run: Run, waits: Sequence[Wait], permissions: frozenset[str]) -> tuple[str, ...]:
    """What the viewer's roles and the status of the run allow; the operations decide again."""
    status, stops = RunStatus(run.status), "stop_run" in permissions
    is_going_on = status not in RUN_ENDED | {RunStatus.CANCELLING, RunStatus.ROLLING_BACK}
    possible = {
        "cancel": stops and is_going_on,
        "cancel_again": stops and status is RunStatus.CANCELLING,
        "pause": stops and is_going_on and run.paused_at is None,
        "resume": stops and is_going_on and run.paused_at is not None,
        "roll_back": "roll_back_run" in permissions and status in MAY_ROLL_BACK,
        "resolve": "resolve_step" in permissions and any(each.reason == StepStatus.UNKNOWN for each in waits),
        "run_again": "start_run" in permissions and _may_run_again(run),
    }
    return tuple(name for name, is_possible in possible.items() if is_possible)


def _may_run_again(run: Run) -> bool:
    if run.status not in MAY_RUN_AGAIN or run.trigger == RunTrigger.EXPIRY or run.rollbacks:
        return False
    return not Step.objects.filter(undoes__run=run, status=StepStatus.SUCCEEDED).exists()
