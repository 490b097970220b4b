"""A rollback: the plan first, then the confirmation of exactly that plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from playbooks import access
from playbooks.domain.rollback import RollbackPlan, UndoCall
from playbooks.operations import rollbacks
from playbooks.operations.actions import actions
from playbooks.operations.refusals import LostRace, Missing, Refused
from playbooks.queries import runs as queries
from playbooks.web.callers import caller_of, person_of
from playbooks.web.refusing import Refusal, refusal_of


@dataclass(frozen=True, slots=True)
class UndoItem:
    """One action of the plan, as partials/act.html shows it."""

    step: str
    label: str
    action: str
    effect: str
    connection: str
    target: str
    parameters: Mapping[str, Any]


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def rollback(request: HttpRequest, pk: UUID) -> HttpResponse:
    if request.method != "POST":
        return _page(request, pk)
    try:
        rollbacks.start(pk, caller=caller_of(request), plan_digest=request.POST.get("digest", ""))
    except Missing as error:
        raise Http404(str(error)) from error
    except (Refused, LostRace) as error:
        return _page(request, pk, refusal=refusal_of(request, error))
    messages.success(request, "The rollback has begun, the last change first.")
    return redirect("run", pk=pk)


def _page(request: HttpRequest, pk: UUID, *, refusal: Refusal | None = None) -> HttpResponse:
    run = queries.runs(person_of(request)).filter(pk=pk).first()
    if run is None:
        raise Http404(f"There is no run {pk}.")
    plan = rollbacks.plan_of(run)
    context = {
        "run": queries.row(run),
        "items": [_item(step, call) for step, _, call in plan.calls()],
        "irreversible": plan.irreversible,
        "kept": tuple(plan.all_kept()),
        "digest": plan.digest,
        "obstacle": _obstacle(request, plan, run.status),
        "refusal": refusal,
    }
    return render(request, "rollback.html", context, status=refusal.status if refusal else HTTPStatus.OK)


def _obstacle(request: HttpRequest, plan: RollbackPlan, status: str) -> str:
    """Why there is no button, so that nobody has to press one to learn it; the operation decides again."""
    if not plan.undoings:
        return rollbacks.HELD.sentence if plan.kept else "There is nothing to take back."
    if status not in rollbacks.MAY_ROLL_BACK:
        return f"This run is {status.replace('_', ' ')}. {rollbacks.NOT_ENDED.sentence}"
    may = access.may(person_of(request), "roll_back_run")
    return "" if may else "Your roles do not allow you to roll back runs."


def _item(step: str, call: UndoCall) -> UndoItem:
    action = actions()[call.action]
    return UndoItem(
        step=step,
        label=action.label,
        action=action.key,
        effect=action.effect.value,
        connection=call.connection,
        target=str(call.parameters.get(action.target, call.connection)),
        parameters=call.parameters,
    )
