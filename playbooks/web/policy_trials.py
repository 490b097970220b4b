"""Trying policies: on one action that somebody asks about, and on what has happened in the last days."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from playbooks.domain.actions import Effect
from playbooks.models import Connection
from playbooks.operations import policy_trials as operations
from playbooks.operations.actions import actions
from playbooks.operations.policy_trials import Explanation, Question
from playbooks.operations.refusals import Invalid
from playbooks.queries import policies as queries
from playbooks.queries.references import role_title
from playbooks.web.callers import caller_of, person_of, require
from playbooks.web.policies import SEE, tabs
from playbooks.web.refusing import Refusal, refusal_of

PHASES = {"do": "It is done", "undo": "It is taken back"}


@require_safe
@login_required
def explain(request: HttpRequest) -> HttpResponse:
    """A form, and for what was filled in the policies that match and what they ask."""
    require(request, *SEE)
    told: Explanation | None = None
    refusal: Refusal | None = None
    asked = _question(request)
    if asked is not None:
        try:
            told = operations.explain(asked, caller=caller_of(request))
        except Invalid as error:
            refusal = refusal_of(request, error)
    context = {
        "tabs": tabs("policy-explain"),
        "asked": asked,
        "told": told,
        "seats": [role_title(role) for role in told.seats] if told else [],
        "matching": [each for each in told.policies if each.matches] if told else [],
        "others": [each for each in told.policies if not each.matches] if told else [],
        "actions": sorted(key for key, each in actions().items() if each.effect is not Effect.READ),
        "connections": Connection.objects.order_by("name").values_list("name", "connector"),
        "phases": PHASES,
        "refusal": refusal,
    }
    return render(
        request, "policy_explain.html", context, status=refusal.status if refusal else HTTPStatus.OK
    )


@require_safe
@login_required
def simulate(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    require(request, *SEE)
    require(request, "see_run", "try policies on what has run")
    version = queries.version_view(slug, number, person_of(request))
    if version is None:
        raise Http404(f"There is no version {number} of {slug}.")
    told = operations.simulate(version.source, caller=caller_of(request))
    return render(request, "policy_simulation.html", {"version": version, "told": told})


def _question(request: HttpRequest) -> Question | None:
    given = request.GET
    if not given.get("action"):
        return None
    severity = given.get("severity", "")
    return Question(
        action=given["action"],
        connection=given.get("connection", ""),
        target=given.get("target", "").strip(),
        severity=min(int(severity), 100) if severity.isascii() and severity.isdigit() else 0,
        phase=given.get("phase", "do") if given.get("phase") in PHASES else "do",
    )
