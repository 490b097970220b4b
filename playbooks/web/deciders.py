"""Who could decide a request, who could not, and why."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from playbooks.queries import approvals
from playbooks.queries import deciders as queries
from playbooks.web.callers import person_of, require


@require_safe
@login_required
def deciders(request: HttpRequest, pk: UUID) -> HttpResponse:
    person = person_of(request)
    view = approvals.request_view(pk, person)
    if view is None:
        raise Http404(f"There is no approval request {pk}.")
    require(request, "see_people", "see who could decide this")
    context = {"approval": view, "deciders": queries.deciders(pk, person)}
    return render(request, "deciders.html", context)
