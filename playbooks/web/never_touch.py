"""The never-touch list: what is on it, and putting targets on it and taking them off."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from playbooks import access
from playbooks.domain.policies.never_touch import TargetKind
from playbooks.operations import never_touch as operations
from playbooks.operations.refusals import Invalid, LostRace, Missing, Refused
from playbooks.queries import policies as queries
from playbooks.web.callers import caller_of, person_of, require, text_of
from playbooks.web.listing import page_of
from playbooks.web.policies import SEE, tabs
from playbooks.web.refusing import Refusal, refusal_of

KINDS = {
    TargetKind.ADDRESS: "Address or range",
    TargetKind.DOMAIN: "Domain, with all below it",
    TargetKind.HOST: "Host",
    TargetKind.ACCOUNT: "Account",
}


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def never_touch(request: HttpRequest) -> HttpResponse:
    """The list. A POST puts a target on it."""
    require(request, *SEE)
    if request.method != "POST":
        return _page(request)
    try:
        operations.add(
            _kind(request),
            text_of(request, "value"),
            caller=caller_of(request),
            reason=text_of(request, "reason"),
        )
    except (Refused, Invalid, LostRace) as error:
        return _page(request, refusal=refusal_of(request, error))
    messages.success(request, "No action changes it from now on.")
    return redirect("never-touch")


@require_POST
@login_required
def remove(request: HttpRequest, pk: UUID) -> HttpResponse:
    try:
        operations.remove(pk, caller=caller_of(request), reason=text_of(request, "reason"))
    except Missing as error:
        raise Http404(str(error)) from error
    except (Refused, Invalid, LostRace) as error:
        return _page(request, refusal=refusal_of(request, error))
    messages.success(request, "It is off the list, and is kept to for another day.")
    return redirect("never-touch")


def _kind(request: HttpRequest) -> TargetKind:
    try:
        return TargetKind(request.POST.get("kind", ""))
    except ValueError:
        raise Invalid([("/kind", "Choose what kind of target it is.")]) from None


def _page(request: HttpRequest, *, refusal: Refusal | None = None) -> HttpResponse:
    person = person_of(request)
    rows = queries.protected(person)
    listed = rows.filter(removed_at__isnull=True)
    context = {
        "tabs": tabs("never-touch"),
        "page": page_of(listed, request, lambda found: [queries.protected_view(each) for each in found]),
        "removed": [
            queries.protected_view(each)
            for each in rows.filter(removed_at__isnull=False).order_by("-removed_at")[:20]
        ],
        "may_add": access.may(person, "write_policy"),
        "may_remove": access.may(person, "publish_policy"),
        "kinds": [(kind.value, label) for kind, label in KINDS.items()],
        "given": request.POST,
        "refusal": refusal,
    }
    return render(request, "never_touch.html", context, status=refusal.status if refusal else HTTPStatus.OK)
