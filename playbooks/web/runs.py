"""Runs: the list, one run as it goes on, and what people may do about it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST, require_safe

from playbooks import access
from playbooks.domain.statuses import RUN_ENDED, STEP_ENDED, RunStatus, StepStatus
from playbooks.operations import runs as operations
from playbooks.operations import stopping
from playbooks.operations.refusals import Invalid, LostRace, Missing, Refused
from playbooks.operations.runs import Resolution
from playbooks.queries import runs as queries
from playbooks.queries.runs import RequestOfRun, RunView, StepView
from playbooks.web.callers import caller_of, person_of, text_of
from playbooks.web.graphs import anchor, graph_of_run
from playbooks.web.listing import choice, filters, page_of, search_of, searched
from playbooks.web.refusing import Refusal, refusal_of
from playbooks.web.timeline import Event

STOP_POLLING = 286  # htmx: swap this and ask no more
STATUSES = {
    "": "All",
    RunStatus.RUNNING: "Running",
    RunStatus.WAITING: "Waiting",
    RunStatus.SUCCEEDED: "Succeeded",
    RunStatus.FAILED: "Failed",
    RunStatus.ROLLED_BACK: "Rolled back",
    RunStatus.CANCELLED: "Cancelled",
}


@dataclass(frozen=True, slots=True)
class ShownStep:
    """A step, the id of its details, and the requests that asked for it."""

    view: StepView
    anchor: str
    requests: tuple[RequestOfRun, ...]


@dataclass(frozen=True, slots=True)
class Live:
    """What changes while a run goes on. `revision` is another one as soon as anything of it is."""

    is_live: bool
    revision: str
    progress: str
    graph: SafeString
    steps: tuple[ShownStep, ...]
    rollbacks: tuple[tuple[ShownStep, ...], ...]
    events: tuple[Event, ...]


@require_safe
@login_required
def runs(request: HttpRequest) -> HttpResponse:
    status, search = choice(request, "status", STATUSES), search_of(request)
    rows = searched(
        queries.runs(person_of(request)),
        search,
        *("version__playbook__title", "version__playbook__slug", "case__title", "requested_by__name"),
    )
    rows = rows.filter(status=status) if status else rows
    page = page_of(rows, request, lambda found: [queries.row(each) for each in found])
    context = {"page": page, "filters": filters(request, "status", STATUSES), "search": search}
    return render(request, "runs.html", context)


@require_safe
@login_required
def run(request: HttpRequest, pk: UUID) -> HttpResponse:
    return run_page(request, pk)


@require_safe
@login_required
def run_live(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The part of the page that changes: 204 as long as it is as `seen`, 286 when it will not change any more."""
    view = _found(request, pk)
    live = live_of(view)
    if request.GET.get("seen") == live.revision:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    status = HTTPStatus.OK if live.is_live else STOP_POLLING
    return render(request, "run_live.html", _shown_live(request, view, live), status=status)


@require_POST
@login_required
def cancel(request: HttpRequest, pk: UUID) -> HttpResponse:
    try:
        stopping.cancel(pk, caller=caller_of(request), reason=text_of(request, "reason"))
    except Missing as error:
        raise Http404(str(error)) from error
    except (Refused, Invalid, LostRace) as error:
        return run_page(request, pk, refusal=refusal_of(request, error))
    messages.success(request, "The run is being cancelled: what has not started never will.")
    return redirect("run", pk=pk)


@require_POST
@login_required
def resolve_step(request: HttpRequest, pk: UUID, step: str) -> HttpResponse:
    """A person's word on a step whose answer was lost."""
    try:
        operations.resolve(
            pk,
            step,
            caller=caller_of(request),
            resolution=_resolution(request),
            comment=text_of(request, "comment"),
        )
    except Missing as error:
        raise Http404(str(error)) from error
    except (Refused, Invalid, LostRace) as error:
        return run_page(request, pk, refusal=refusal_of(request, error))
    messages.success(request, f"What became of {step} is recorded.")
    return redirect("run", pk=pk)


def run_page(request: HttpRequest, pk: UUID, *, refusal: Refusal | None = None) -> HttpResponse:
    """The page of a run, with the sentence of what was refused. 404 where the person may not know of it."""
    view = _found(request, pk)
    steps = [*view.steps, *(each for lap in view.rollbacks for each in lap.steps)]
    context = {
        **_shown_live(request, view, live_of(view)),
        "unresolved": [each for each in steps if each.status == StepStatus.UNKNOWN]
        if "resolve" in view.may
        else [],
        "refusal": refusal,
        "typed": request.POST,
    }
    return render(request, "run.html", context, status=refusal.status if refusal else HTTPStatus.OK)


def _shown_live(request: HttpRequest, view: RunView, live: Live) -> dict[str, object]:
    return {"run": view, "live": live, "may_see_audit": access.may(person_of(request), "see_audit")}


def live_of(run: RunView) -> Live:
    ended = sum(each.status in STEP_ENDED for each in run.steps)
    return Live(
        is_live=run.status not in RUN_ENDED,
        revision=hashlib.sha256(repr(run).encode()).hexdigest()[:16],
        progress=f"{ended} of {len(run.steps)} steps ended",
        graph=graph_of_run(run),
        steps=_shown(run, run.steps, lap=0),
        rollbacks=tuple(_shown(run, each.steps, lap=each.number) for each in run.rollbacks),
        events=tuple(sorted(_events(run), key=lambda event: event.at)),
    )


def _shown(run: RunView, steps: tuple[StepView, ...], *, lap: int) -> tuple[ShownStep, ...]:
    return tuple(
        ShownStep(
            each,
            anchor(each.step, lap=lap),
            tuple(asked for asked in run.requests if asked.step == each.step and lap == 0),
        )
        for each in steps
    )


def _events(run: RunView) -> list[Event]:
    who = run.requested_by.name if run.requested_by else "an alert"
    events = [Event(run.created_at, f"Started by {who}", RunStatus.RUNNING)]
    for lap in ((0, run.steps), *((each.number, each.steps) for each in run.rollbacks)):
        events += [_ended(each, anchor(each.step, lap=lap[0])) for each in lap[1] if _has_moved(each)]
    # A request is opened at the moment of the outcome that led to it, so it comes after it.
    events += [
        Event(each.opened_at, f"Asked: {each.question}", each.status, reverse("approval", args=[each.id]))
        for each in run.requests
    ]
    return events


def _has_moved(step: StepView) -> bool:
    return step.status not in {StepStatus.PENDING, StepStatus.READY, StepStatus.WAITING}


def _ended(step: StepView, details: str) -> Event:
    title = f"Undoing {step.title}" if step.undoes else step.title
    return Event(step.changed_at, f"{title}: {step.status}", step.status, f"#{details}")


def _found(request: HttpRequest, pk: UUID) -> RunView:
    view = queries.run_view(pk, person_of(request))
    if view is None:
        raise Http404(f"There is no run {pk}.")
    return view


def _resolution(request: HttpRequest) -> Resolution:
    try:
        return Resolution(request.POST.get("outcome", ""))
    except ValueError:
        raise Invalid([("/outcome", "Choose what you found: it happened, it did not, or give up.")]) from None
