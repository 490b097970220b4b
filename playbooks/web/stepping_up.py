"""Proving again that it is you: a page of its own, and what forms carry that need a proof."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.http import require_http_methods

from playbooks.access import factors
from playbooks.domain.duties import Denial
from playbooks.domain.stepup import ACTS, Method, Need, Purpose, missing, need_of
from playbooks.operations import stepup
from playbooks.operations.refusals import Invalid, Missing, Refused
from playbooks.web.callers import caller_of, person_of
from playbooks.web.refusing import Refusal, refusal_of

GIVING = need_of(Purpose.GRANT)
LONGEST_ASSERTION = 20_000
UNREADABLE = Invalid([("/assertion", "What the passkey answered cannot be read. Start again.")])


@dataclass(frozen=True, slots=True)
class Ways:
    """How the person can prove what a form needs. With `is_proven` nothing more has to be given."""

    need: Need
    passkey: bool
    code: bool
    providers: tuple[str, ...]
    is_proven: bool
    back: str  # where to go on after a sign-in elsewhere
    denial: Denial  # that says it is missing

    @property
    def any(self) -> bool:
        return bool(self.passkey or self.code or self.providers)


def ways(request: HttpRequest, need: Need, *, back: str = "/") -> Ways:
    person = person_of(request)
    paths = factors.paths_of(person)
    return Ways(
        need=need,
        passkey=Method.PASSKEY in paths,
        code=Method.CODE in paths,
        providers=tuple(sorted(factors.accounts_of(person))),
        is_proven=stepup.proof_for(need, caller=caller_of(request), now=timezone.now()) is not None,
        back=back,
        denial=missing(need, paths),
    )


def origin_of(request: HttpRequest) -> str:
    """The origin of our pages as this browser sees them; its host is one of ALLOWED_HOSTS."""
    return f"{request.scheme}://{request.get_host()}"


def take_proof(request: HttpRequest, need: Need) -> None:
    """Takes the proof that a form carries, if it carries one. Raises Refused, Invalid and Missing."""
    posted, caller = request.POST, caller_of(request)
    if posted.get("assertion"):
        row, assertion = _assertion(request)
        stepup.prove_by_passkey(row, caller=caller, origin=origin_of(request), assertion=assertion)
    elif posted.get("code") or posted.get("password"):
        begun = stepup.begin(need, caller=caller)
        stepup.prove_by_code(
            begun.pk, caller=caller, password=posted.get("password", ""), code=posted.get("code", "")
        )


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def step_up(request: HttpRequest) -> HttpResponse:
    """For everything that takes a proof of the last five minutes: gives it, and goes back to where it was asked."""
    need = need_of(_purpose(request))
    if request.method != "POST":
        return step_up_page(request, need)
    try:
        take_proof(request, need)
    except Missing as error:
        return step_up_page(request, need, Refusal(HTTPStatus.NOT_FOUND, (Denial("", str(error)),)))
    except (Refused, Invalid) as error:
        return step_up_page(request, need, refusal_of(request, error))
    if not ways(request, need).is_proven:
        return step_up_page(request, need, Refusal(HTTPStatus.UNAUTHORIZED, (missing(need, ()),)))
    messages.success(request, "You have proven that it is you: it counts for five minutes.")
    return redirect(back_of(request))


def back_of(request: HttpRequest) -> str:
    """Where the person came from, if that is one of our pages."""
    back = request.POST.get("next") or request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(back, allowed_hosts=None) and back.startswith("/")
    return back if is_ours else "/"


def step_up_page(request: HttpRequest, need: Need, refusal: Refusal | None = None) -> HttpResponse:
    context = {
        "ways": ways(request, need, back=_again(request, need)),
        "act": ACTS[need.purpose],
        "next": back_of(request),
        "refusal": refusal,
    }
    return render(request, "step_up.html", context, status=refusal.status if refusal else HTTPStatus.OK)


def _again(request: HttpRequest, need: Need) -> str:
    """This page, which then says that it is proven, and leads on."""
    return f"{reverse('step-up')}?{urlencode({'for': need.purpose.value, 'next': back_of(request)})}"


def _purpose(request: HttpRequest) -> Purpose:
    """What it is for, of that which needs no proof of its own."""
    asked = request.POST.get("purpose") or request.GET.get("for", "")
    return Purpose.TOKEN if asked == Purpose.TOKEN else Purpose.GRANT


def _assertion(request: HttpRequest) -> tuple[UUID, dict[str, Any]]:
    text = request.POST["assertion"]
    try:
        row = UUID(request.POST.get("step_up", ""))
        read = json.loads(text) if len(text) <= LONGEST_ASSERTION else None
    except (ValueError, RecursionError):
        raise UNREADABLE from None
    if not isinstance(read, dict):
        raise UNREADABLE
    return row, read
