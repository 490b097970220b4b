"""Starting a run by hand."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from playbooks.operations import runs
from playbooks.operations.refusals import Invalid, Missing, Refused
from playbooks.queries import playbooks as queries
from playbooks.queries.playbooks import PlaybookView
from playbooks.web.callers import caller_of, person_of, require
from playbooks.web.forms import Start
from playbooks.web.refusing import Refusal, refusal_of
from playbooks.web.reviewing import gates_of


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def start_run(request: HttpRequest, slug: str) -> HttpResponse:
    playbook = queries.playbook_view(slug, person_of(request))
    if playbook is None or playbook.published is None:
        raise Http404(f"There is no playbook {slug} in force.")
    require(request, "start_run", "start runs")
    if request.method != "POST":
        form = Start(playbook.inputs, initial={"alert": request.GET.get("alert", "")})
        return _page(request, playbook, form)
    form = Start(playbook.inputs, request.POST)
    if not form.is_valid():
        return _page(request, playbook, form, status=HTTPStatus.BAD_REQUEST)
    return _start(request, playbook, form)


def _start(request: HttpRequest, playbook: PlaybookView, form: Start) -> HttpResponse:
    try:
        run = runs.start(
            playbook.slug,
            caller=caller_of(request),
            alert=form.alert_id(),
            inputs=form.values(),
            simulate=form.cleaned_data["simulate"],
            idempotency_key=form.cleaned_data["key"],
        )
    except Missing as error:
        form.add_error(None, str(error))
        return _page(request, playbook, form, status=HTTPStatus.BAD_REQUEST)
    except Invalid as error:
        form.show_errors(error.errors)
        return _page(request, playbook, form, status=HTTPStatus.BAD_REQUEST)
    except Refused as error:
        refusal = refusal_of(request, error)
        return _page(request, playbook, form, refusal=refusal, status=refusal.status)
    return redirect("run", pk=run.pk)


def _page(
    request: HttpRequest,
    playbook: PlaybookView,
    form: Start,
    *,
    refusal: Refusal | None = None,
    status: HTTPStatus = HTTPStatus.OK,
) -> HttpResponse:
    version = queries.version_view(playbook.slug, playbook.published or 0, person_of(request))
    gates = list(gates_of(version)) if version else []
    context = {"playbook": playbook, "gates": gates, "form": form, "refusal": refusal}
    return render(request, "start_run.html", context, status=status)
