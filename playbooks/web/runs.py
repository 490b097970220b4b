"""Runs: the list, one run as it goes on, and what people may do about it."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from playbooks import access
from playbooks.domain.statuses import RunStatus
from playbooks.operations import reruns, stopping
from playbooks.operations import runs as operations
from playbooks.operations.refusals import Invalid, LostRace, Missing, Refused
from playbooks.operations.runs import Resolution
from playbooks.queries import runs as queries
from playbooks.queries.runs import RunView
from playbooks.web.callers import caller_of, person_of, text_of
from playbooks.web.listing import choice, filters, page_of, search_of, searched
from playbooks.web.refusing import Refusal, refusal_of
from playbooks.web.run_page import Live, page_of_run
from playbooks.web.selecting import selection_of

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
    view, live = _found(request, pk)
    if request.GET.get("seen") == live.revision:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    status = HTTPStatus.OK if live.is_live else STOP_POLLING
    return render(request, "run_live.html", _shown_live(request, view, live), status=status)


@require_POST
@login_required
def cancel(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Asked again while it is being cancelled, it skips what was to run in any case."""

    def act() -> str:
        stopping.cancel(pk, caller=caller_of(request), reason=text_of(request, "reason"))
        return "The run is being cancelled: what has not started never will."

    return _acted(request, pk, act)


@require_POST
@login_required
def pause(request: HttpRequest, pk: UUID) -> HttpResponse:
    def act() -> str:
        stopping.pause(pk, caller=caller_of(request))
        return "The run is paused: what is under way ends, nothing else begins until it is resumed."

    return _acted(request, pk, act)


@require_POST
@login_required
def resume(request: HttpRequest, pk: UUID) -> HttpResponse:
    def act() -> str:
        stopping.resume(pk, caller=caller_of(request))
        return "The run goes on."

    return _acted(request, pk, act)


@require_POST
@login_required
def run_again(request: HttpRequest, pk: UUID) -> HttpResponse:
    """From the failed step on, as a new run, to whose page it leads."""
    try:
        row = reruns.rerun(pk, caller=caller_of(request))
    except Missing as error:
        raise Http404(str(error)) from error
    except (Refused, Invalid, LostRace) as error:
        return run_page(request, pk, refusal=refusal_of(request, error))
    messages.success(
        request, "This run goes on from where the other ended; what succeeded there is taken over."
    )
    return redirect("run", pk=row.pk)


@require_POST
@login_required
def resolve_step(request: HttpRequest, pk: UUID, step: str) -> HttpResponse:
    """A person's word on a step whose answer was lost."""

    def act() -> str:
        operations.resolve(
            pk,
            step,
            caller=caller_of(request),
            resolution=_resolution(request),
            comment=text_of(request, "comment"),
        )
        return f"What became of {step} is recorded."

    return _acted(request, pk, act)


def run_page(request: HttpRequest, pk: UUID, *, refusal: Refusal | None = None) -> HttpResponse:
    """The page of a run, with the sentence of what was refused. 404 where the person may not know of it."""
    view, live = _found(request, pk)
    context = {
        **_shown_live(request, view, live),
        "unresolved": queries.unknown_steps(view) if "resolve" in view.may else (),
        "refusal": refusal,
        "typed": request.POST,
    }
    return render(request, "run.html", context, status=refusal.status if refusal else HTTPStatus.OK)


def _acted(request: HttpRequest, pk: UUID, act: Callable[[], str]) -> HttpResponse:
    """Does it and says so, or shows the page with why not."""
    try:
        done = act()
    except Missing as error:
        raise Http404(str(error)) from error
    except (Refused, Invalid, LostRace) as error:
        return run_page(request, pk, refusal=refusal_of(request, error))
    messages.success(request, done)
    return redirect("run", pk=pk)


def _shown_live(request: HttpRequest, view: RunView, live: Live) -> dict[str, object]:
    selection = selection_of(request)
    return {
        "run": view,
        "live": live,
        "query": selection.query,
        "may_see_audit": access.may(person_of(request), "see_audit"),
    }


def _found(request: HttpRequest, pk: UUID) -> tuple[RunView, Live]:
    found = page_of_run(pk, person_of(request), selection_of(request))
    if found is None:
        raise Http404(f"There is no run {pk}.")
    return found


def _resolution(request: HttpRequest) -> Resolution:
    try:
        return Resolution(request.POST.get("outcome", ""))
    except ValueError:
        raise Invalid([("/outcome", "Choose what you found: it happened, it did not, or give up.")]) from None
