"""Two runs of the same playbook beside each other."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from playbooks.queries import runs as queries
from playbooks.web.callers import person_of
from playbooks.web.reviewing import shown


@require_safe
@login_required
def compare(request: HttpRequest) -> HttpResponse:
    """`?a=` and `?b=` are runs; 404 where the person may not know of both, or they are of different playbooks."""
    found = queries.comparison(_run(request, "a"), _run(request, "b"), person_of(request))
    if found is None:
        raise Http404("There are no two such runs of one playbook.")
    context = {
        "comparison": found,
        "sides": (found.a, found.b),
        "changes": shown(found.version) if found.version else None,
        "differing": sum(each.differs for each in found.steps),
    }
    return render(request, "run_comparison.html", context)


def _run(request: HttpRequest, name: str) -> UUID:
    try:
        return UUID(request.GET.get(name, ""))
    except ValueError:
        raise Http404(f"The parameter {name} is no run.") from None
