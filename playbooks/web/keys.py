"""Sessions and keys: where one is signed in, how one signs in, and the tokens by which programs call."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from allauth.account import views as accounts
from allauth.mfa.adapter import get_adapter
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from playbooks import access
from playbooks.access.sessions import handle_of
from playbooks.domain.stepup import Purpose, need_of
from playbooks.models import Principal, Token
from playbooks.operations import people as people_operations
from playbooks.operations import sessions as session_operations
from playbooks.operations import tokens as token_operations
from playbooks.operations.refusals import Invalid, Missing, Refused
from playbooks.queries import keys as queries
from playbooks.queries.people import token_view
from playbooks.web.callers import caller_of, person_of
from playbooks.web.refusing import Refusal, refusal_of
from playbooks.web.stepping_up import take_proof, ways

ISSUING = need_of(Purpose.TOKEN)
DAYS = (7, 30, 90, 365)
SCOPES = {
    "read": "Read what your roles let you see",
    "ingest": "Post alerts and events",
    "runs": "Start, stop and roll back runs",
    "cases": "Work on alerts and cases",
    "author": "Write playbooks",
}


@require_safe
@login_required
def keys(request: HttpRequest) -> HttpResponse:
    return _page(request)


@require_POST
@login_required
def end_session(request: HttpRequest, handle: UUID) -> HttpResponse:
    """Ends one session: from an administrator's page of a person it leads back there."""
    try:
        session_operations.end(handle, caller=caller_of(request))
    except Missing as error:
        raise Http404(str(error)) from error
    messages.success(request, "The session is ended: that browser has to sign in again.")
    username = request.POST.get("person", "")
    return redirect("person", username) if username else redirect("keys")


@require_POST
@login_required
def end_others(request: HttpRequest) -> HttpResponse:
    """Ends every session of one's own but this one."""
    ended = session_operations.end_all(
        person_of(request), caller=caller_of(request), but=current_session(request)
    )
    messages.success(request, f"{ended} other session{'' if ended == 1 else 's'} ended.")
    return redirect("keys")


@require_POST
@login_required
@never_cache
def issue_token(request: HttpRequest) -> HttpResponse:
    """Makes a token, whose text is on the page that answers and nowhere else."""
    try:
        take_proof(request, ISSUING)
        row, text = token_operations.issue(
            caller_of(request),
            scopes=request.POST.getlist("scope"),
            days=_days(request.POST.get("days", "")),
            owner=_owner(request),
        )
    except Missing as error:
        raise Http404(str(error)) from error
    except (Refused, Invalid) as error:
        return _page(request, refusal=refusal_of(request, error))
    return _page(request, issued=row, text=text)


@require_POST
@login_required
def revoke_token(request: HttpRequest, pk: UUID) -> HttpResponse:
    try:
        row = token_operations.revoke(pk, caller=caller_of(request))
    except Missing as error:
        raise Http404(str(error)) from error
    except Refused as error:
        return _page(request, refusal=refusal_of(request, error))
    messages.success(request, f"The token {row.prefix}… is out of force.")
    username = request.POST.get("person", "")
    return redirect("person", username) if username else redirect("keys")


@login_required
def change_password(request: HttpRequest) -> HttpResponseBase:
    """allauth's page, for who has a password: it would let others set one, and so pass by their provider."""
    if not person_of(request).has_usable_password():
        raise Http404("There is no password to change.")
    answer: HttpResponseBase = accounts.password_change(request)
    return answer


@require_safe
@login_required
@never_cache
def app_code(request: HttpRequest) -> HttpResponse:
    """The QR code of the authenticator app that is being set up; a picture of its own, since the pages allow neither
    inline pictures nor styles.
    """
    secret = request.session.get(SECRET_SESSION_KEY)
    if not secret:
        raise Http404("No authenticator app is being set up.")
    adapter = get_adapter()
    picture = adapter.build_totp_svg(adapter.build_totp_url(person_of(request), secret))
    return HttpResponse(picture, content_type="image/svg+xml")


def current_session(request: HttpRequest) -> UUID | None:
    key = request.session.session_key
    return handle_of(key) if key else None


def _page(
    request: HttpRequest, *, refusal: Refusal | None = None, issued: Token | None = None, text: str = ""
) -> HttpResponse:
    person, current = person_of(request), current_session(request)
    context = {
        "sessions": [queries.session_view(each, current=current) for each in queries.sessions_of(person)],
        "factors": queries.factors_of(person),
        "identities": queries.identities_of(person),
        "tokens": [token_view(each) for each in queries.tokens_of(person)],
        "service_accounts": queries.service_accounts_of(person),
        "scopes": SCOPES,
        "days": DAYS,
        "default_days": people_operations.DEFAULT_DAYS,
        "may_manage_people": access.may(person, "manage_people"),
        "issued": issued,
        "text": text,
        "ways": ways(request, ISSUING, back=reverse("keys")),
        "refusal": refusal,
    }
    return render(request, "keys.html", context, status=refusal.status if refusal else HTTPStatus.OK)


def _owner(request: HttpRequest) -> Principal | None:
    """The service account that was chosen; None for oneself."""
    username = request.POST.get("owner", "")
    if not username:
        return None
    found = Principal.objects.filter(username=username).first()
    if found is None:
        raise Invalid([("/owner", "There is no such account.")])
    return found


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 5):
        raise Invalid([("/days", "Say for how many days the token is good.")])
    return int(text)
