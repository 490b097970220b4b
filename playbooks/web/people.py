"""People, for administrators: where somebody is signed in, by what they call, and which accounts are one human."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from playbooks import access
from playbooks.models import Principal
from playbooks.operations import identities as identity_operations
from playbooks.operations import sessions as session_operations
from playbooks.operations.refusals import Invalid, Missing, Refused
from playbooks.queries import keys as queries
from playbooks.queries.people import token_view
from playbooks.web.callers import caller_of, person_of, require
from playbooks.web.listing import page_of, search_of, searched
from playbooks.web.refusing import Refusal, refusal_of
from playbooks.web.stepping_up import GIVING, take_proof, ways

SEE = ("see_people", "see people")
MANAGE = ("manage_people", "see how others sign in")


@require_safe
@login_required
def people(request: HttpRequest) -> HttpResponse:
    require(request, *SEE)
    text = search_of(request)
    rows = searched(queries.people(person_of(request)), text, "username", "name")
    context = {
        "page": page_of(rows, request, _rows),
        "search": text,
        "may_manage": access.may(person_of(request), "manage_people"),
    }
    return render(request, "people.html", context)


@require_safe
@login_required
def person(request: HttpRequest, username: str) -> HttpResponse:
    require(request, *MANAGE)
    return _page(request, get_object_or_404(Principal, username=username))


@require_POST
@login_required
def end_sessions(request: HttpRequest, username: str) -> HttpResponse:
    """Signs somebody out everywhere: oneself, or anybody for who manages people."""
    if username != person_of(request).username:
        require(request, *MANAGE)
    subject = get_object_or_404(Principal, username=username)
    try:
        ended = session_operations.end_all(subject, caller=caller_of(request))
    except Refused as error:
        return _refused(request, subject, error)
    messages.success(request, f"{ended} session{'' if ended == 1 else 's'} of {subject} ended.")
    return redirect("person", username)


@require_POST
@login_required
def link(request: HttpRequest, username: str) -> HttpResponse:
    """Says whose further account this is; without a name, that it is nobody's."""
    require(request, *MANAGE)
    subject = get_object_or_404(Principal, username=username)
    other = request.POST.get("same_person_as", "").strip()
    try:
        if other:
            identity_operations.link(subject, _account(other), caller=caller_of(request))
        else:
            identity_operations.unlink(subject, caller=caller_of(request))
    except Missing as error:
        raise Http404(str(error)) from error
    except (Refused, Invalid) as error:
        return _refused(request, subject, error)
    messages.success(request, f"It is recorded: {_said(subject, other)}.")
    return redirect("person", username)


@require_POST
@login_required
def identity(request: HttpRequest, username: str) -> HttpResponse:
    """Gives or takes an outside identity."""
    require(request, *MANAGE)
    subject = get_object_or_404(Principal, username=username)
    is_taking = bool(request.POST.get("take"))
    change = identity_operations.withdraw if is_taking else identity_operations.provision
    try:
        if not is_taking:
            take_proof(request, GIVING)
        change(
            subject,
            provider=request.POST.get("provider", "").strip(),
            subject=request.POST.get("subject", "").strip(),
            caller=caller_of(request),
        )
    except Missing as error:
        raise Http404(str(error)) from error
    except (Refused, Invalid) as error:
        return _refused(request, subject, error)
    messages.success(request, f"It is recorded how {subject} signs in from outside.")
    return redirect("person", username)


def _page(request: HttpRequest, subject: Principal, *, refusal: Refusal | None = None) -> HttpResponse:
    context = {
        "subject": subject,
        "sessions": [queries.session_view(each, current=None) for each in queries.sessions_of(subject)],
        "factors": queries.factors_of(subject),
        "identities": queries.identities_of(subject),
        "tokens": [token_view(each) for each in queries.tokens_of(subject)],
        "service_accounts": queries.service_accounts_of(subject),
        "further": queries.further_accounts_of(subject),
        "ways": ways(request, GIVING, back=reverse("person", args=[subject.username])),
        "refusal": refusal,
    }
    return render(request, "person.html", context, status=refusal.status if refusal else HTTPStatus.OK)


def _refused(request: HttpRequest, subject: Principal, error: Refused | Invalid) -> HttpResponse:
    """The page again with what was refused; nothing of it for who may not see it."""
    refusal = refusal_of(request, error)
    require(request, *MANAGE)
    return _page(request, subject, refusal=refusal)


def _account(username: str) -> Principal:
    found = Principal.objects.filter(username=username).first()
    if found is None:
        raise Invalid([("/same_person_as", f"There is no account {username}.")])
    return found


def _said(subject: Principal, other: str) -> str:
    return f"{subject} and {other} are one person" if other else f"{subject} is nobody's further account"


def _rows(found: Sequence[Principal]) -> Sequence[Principal]:
    return found
