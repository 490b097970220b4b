"""Who asks: the signed-in person of a request, as operations want to know them."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from playbooks import access
from playbooks.models import Principal
from playbooks.operations import sessions
from playbooks.operations.caller import Caller, address_of, session_of
from playbooks.operations.refusals import Invalid, no_permission

LONGEST_TEXT = 10_000


def person_of(request: HttpRequest) -> Principal:
    """The signed-in person. Views are behind `login_required`, so anybody else is a defect."""
    if not isinstance(request.user, Principal):
        raise PermissionDenied("Sign in first.")
    return request.user


def caller_of(request: HttpRequest) -> Caller:
    session = session_of(request.session.session_key)
    return Caller(person_of(request), None, address_of(request.META), session)


def require(request: HttpRequest, permission: str, what: str) -> None:
    """Answers 403, and records it, unless a role of the person permits it. `what` completes "You may not …"."""
    if access.may(person_of(request), permission):
        return
    refusal = no_permission(what)
    sessions.refuse_call(caller_of(request), refusal, call=f"{request.method} {request.path}")
    raise PermissionDenied(str(refusal))


def text_of(request: HttpRequest, field: str) -> str:
    """What was typed into a text field of a form. Raises Invalid for more than the field holds."""
    text = request.POST.get(field, "").replace("\0", "").replace("\r\n", "\n")
    if len(text) > LONGEST_TEXT:
        raise Invalid([(f"/{field}", f"The {field} has more than {LONGEST_TEXT:,} characters; shorten it.")])
    return text
