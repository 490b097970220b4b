"""Runs: started, watched, stopped, resolved, rolled back and run again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter
from pydantic import StrictBool, StrictInt, StringConstraints
from rest_framework.request import Request
from rest_framework.response import Response

from playbooks.api.answers import answer, plains
from playbooks.api.authentication import caller_of, principal_of
from playbooks.api.endpoint import KEY, Endpoint, described, described_list, found
from playbooks.api.pagination import Listing, page
from playbooks.api.parsing import Body, idempotency_key, read
from playbooks.api.permissions import Need
from playbooks.domain.rollback import RollbackPlan
from playbooks.models import Run as RunModel
from playbooks.operations import reruns, rollbacks, stopping
from playbooks.operations import runs as operations
from playbooks.operations.runs import Resolution
from playbooks.queries import runs as queries
from playbooks.queries.runs import RunRow, RunView, StepView, TurnView

LISTING = Listing(
    ordering=("-created_at", "-pk"),
    filters={
        "status": "status",
        "playbook": "version__playbook__slug",
        "case": "case",
        "alert": "alert",
        "trigger": "trigger",
        "parent": "parent__run",
        "repeats": "repeats",
    },
    sortable=("created_at",),
)
STEPS = Listing(
    ordering=("key", "pk"),
    filters={"frame": "frame", "status": "status", "kind": "kind", "round": "round"},
)
TURNS = Listing(ordering=("index", "pk"), filters={"status": "status"})
SEE = Need(("see_run",), "read")
Comment = Annotated[str, StringConstraints(max_length=10_000)]


class Start(Body):
    """Without `version` the published one runs; without `case` the alert's, else a new one."""

    playbook: str
    version: StrictInt | None = None
    alert: UUID | None = None
    case: UUID | None = None
    inputs: dict[str, Any] = {}
    simulate: StrictBool = False


class Cancel(Body):
    reason: Comment = ""


class Resolve(Body):
    """What became of a step whose answer was lost; `outputs` count for `happened` only."""

    outcome: Resolution
    outputs: dict[str, Any] = {}
    comment: Comment


class RollBack(Body):
    """`digest` is that of the plan as it was shown."""

    digest: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True, slots=True)
class RunStatusView:
    id: UUID
    status: str


@dataclass(frozen=True, slots=True)
class StepStatusView:
    run: UUID
    step: str
    status: str


@dataclass(frozen=True, slots=True)
class Undoing:
    """`needs` are the steps that have to be undone before."""

    step: str
    needs: tuple[str, ...]
    action: str
    connection: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Irreversible:
    step: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Plan:
    digest: str
    undo: tuple[Undoing, ...]
    irreversible: tuple[Irreversible, ...]


class Runs(Endpoint):
    needs = {"GET": SEE, "POST": Need(("start_run",), "runs")}

    @described_list("runs_list", "Runs, newest first", row=RunRow, listing=LISTING)
    def get(self, request: Request) -> Response:
        rows = queries.runs(principal_of(request))
        return page(
            rows, request, self, listing=LISTING, show=lambda found: plains([queries.row(r) for r in found])
        )

    @described(
        "runs_start",
        "Start a run by hand",
        body=Start,
        answer=RunStatusView,
        status=201,
        parameters=[KEY],
        is_write=True,
    )
    def post(self, request: Request) -> Response:
        body = read(Start, request)
        row = operations.start(
            body.playbook,
            caller=caller_of(request),
            version=body.version,
            alert=body.alert,
            case=body.case,
            inputs=body.inputs,
            simulate=body.simulate,
            idempotency_key=idempotency_key(request),
        )
        return answer(RunStatusView(row.pk, row.status), status=201)


class Run(Endpoint):
    needs = {"GET": SEE}

    @described("runs_read", "One run: its steps and attempts, and why it waits", answer=RunView)
    def get(self, request: Request, pk: UUID) -> Response:
        return answer(found(queries.run_view(pk, principal_of(request)), "run", pk))


class Cancellation(Endpoint):
    needs = {"POST": Need(("stop_run",), "runs")}

    @described("runs_cancel", "Stop a run", body=Cancel, answer=RunStatusView, is_write=True)
    def post(self, request: Request, pk: UUID) -> Response:
        row = stopping.cancel(pk, caller=caller_of(request), reason=read(Cancel, request).reason)
        return answer(RunStatusView(row.pk, row.status))


class Pause(Endpoint):
    needs = {"POST": Need(("stop_run",), "runs")}

    @described(
        "runs_pause", "Let nothing of a run begin until it is resumed", answer=RunStatusView, is_write=True
    )
    def post(self, request: Request, pk: UUID) -> Response:
        row = stopping.pause(pk, caller=caller_of(request))
        return answer(RunStatusView(row.pk, row.status))


class Resumption(Endpoint):
    needs = {"POST": Need(("stop_run",), "runs")}

    @described("runs_resume", "Let a paused run go on", answer=RunStatusView, is_write=True)
    def post(self, request: Request, pk: UUID) -> Response:
        row = stopping.resume(pk, caller=caller_of(request))
        return answer(RunStatusView(row.pk, row.status))


class Rerun(Endpoint):
    needs = {"POST": Need(("start_run",), "runs")}

    @described(
        "runs_rerun",
        "A new run that takes over what succeeded in one that failed",
        answer=RunStatusView,
        status=201,
        is_write=True,
    )
    def post(self, request: Request, pk: UUID) -> Response:
        row = reruns.rerun(pk, caller=caller_of(request))
        return answer(RunStatusView(row.pk, row.status), status=201)


class Steps(Endpoint):
    needs = {"GET": SEE}

    @described_list(
        "runs_steps", "Every step of a run, also those of turns and rollbacks", row=StepView, listing=STEPS
    )
    def get(self, request: Request, pk: UUID) -> Response:
        rows = found(queries.step_rows(pk, principal_of(request)), "run", pk)
        return page(
            rows, request, self, listing=STEPS, show=lambda some: plains(queries.step_views(pk, some))
        )


class Turns(Endpoint):
    needs = {"GET": SEE}

    @described_list(
        "runs_turns",
        "The turns of one block of a run",
        row=TurnView,
        listing=TURNS,
        parameters=[OpenApiParameter("step", str, required=True, description="The key of the block.")],
    )
    def get(self, request: Request, pk: UUID) -> Response:
        step = request.query_params.get("step", "")
        rows = found(queries.turn_rows(pk, step, principal_of(request)), "run", pk)
        return page(
            rows,
            request,
            self,
            listing=TURNS,
            show=lambda some: plains([queries.turn_view(each) for each in some]),
            also=frozenset({"step"}),
        )


class Rollback(Endpoint):
    needs = {"GET": SEE, "POST": Need(("roll_back_run",), "runs")}

    @described("runs_rollback_plan", "What a rollback of the run would undo now", answer=Plan)
    def get(self, request: Request, pk: UUID) -> Response:
        row: RunModel = found(queries.runs(principal_of(request)).filter(pk=pk).first(), "run", pk)
        return answer(_plan(rollbacks.plan_of(row)))

    @described(
        "runs_rollback", "Roll back by the plan shown", body=RollBack, answer=RunStatusView, is_write=True
    )
    def post(self, request: Request, pk: UUID) -> Response:
        row = rollbacks.start(pk, caller=caller_of(request), plan_digest=read(RollBack, request).digest)
        return answer(RunStatusView(row.pk, row.status))


class StepResolution(Endpoint):
    needs = {"POST": Need(("resolve_step",), "runs")}

    @described(
        "runs_resolve_step",
        "Say what became of a step with an unknown outcome",
        body=Resolve,
        answer=StepStatusView,
        is_write=True,
    )
    def post(self, request: Request, pk: UUID, step: str) -> Response:
        body = read(Resolve, request)
        row = operations.resolve(
            pk,
            step,
            caller=caller_of(request),
            resolution=body.outcome,
            outputs=body.outputs,
            comment=body.comment,
        )
        return answer(StepStatusView(pk, row.key, row.status))


def _plan(plan: RollbackPlan) -> Plan:
    return Plan(
        digest=plan.digest,
        undo=tuple(
            Undoing(step, each.needs, call.action, call.connection, call.parameters)
            for step, each, call in plan.calls()
        ),
        irreversible=tuple(Irreversible(step, sentence) for step, sentence in plan.irreversible),
    )
