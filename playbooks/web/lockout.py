"""Who guesses is locked out for a while: django-axes counts in the database, so for every process together.

Counted are failures of one name from one address, and all failures from an address. An account as such is never locked:
anybody could lock out anybody.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.db.models import Max, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from playbooks.models import Principal
from playbooks.operations.caller import address_of

# An office behind one address fails ten times as often as a person before all of it is locked out.
PEOPLE_BEHIND_AN_ADDRESS = 10


class Counter(AxesDatabaseHandler):  # type: ignore[misc]
    def get_failures(self, request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> int:
        """How often it failed lately, as compared with the limit of one name from one address."""
        of_name, of_address = (_sum(rows) for rows in self.get_user_attempts(request, credentials))
        if network_of(request) is None:
            return of_name
        return max(of_name, of_address // PEOPLE_BEHIND_AN_ADDRESS)

    def reset_user_attempts(self, request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> int:
        """Forgets the failures of the name that has just signed in, and of no other from its address: who has an
        account could guess others with it.
        """
        of_name, _ = self.filter_user_attempts(request, credentials)
        deleted, _ = of_name.delete()
        return int(deleted)


def is_locked_out(request: HttpRequest, person: Principal) -> bool:
    """Whether the person may not even try from here; the answer to the request is then the page that says so."""
    credentials = {"username": person.username}
    if AxesProxyHandler.is_allowed(request, credentials):
        return False
    about: Any = request
    about.axes_locked_out, about.axes_credentials = True, credentials
    return True


def network_of(request: HttpRequest) -> str | None:
    """The address, or the /64 of an IPv6 address: who has one of them has them all."""
    address = address_of(request.META)
    if address is None or not isinstance(ip_address(address), IPv6Address):
        return address
    return str(ip_network((address, 64), strict=False).network_address)


def name_of(request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> str:
    """The username that is meant. One that nobody bears is kept as a keyed digest: people type passwords there."""
    typed = str((credentials or {}).get("username") or request.POST.get("login", ""))
    person = Principal.objects.filter(username__iexact=typed).first() if "\0" not in typed else None
    if person is not None:
        return person.username
    return (
        "?"
        + hmac.new(settings.SECRET_KEY.encode(), typed.encode(errors="replace"), hashlib.sha256).hexdigest()
    )


def locked_out(
    request: HttpRequest,
    answer: HttpResponse,  # noqa: ARG001 — what the view would have answered
    credentials: Mapping[str, Any] | None,
) -> HttpResponse:
    """The page that says until when."""
    context = {"until": _until(request, credentials)}
    return render(request, "locked_out.html", context, status=HTTPStatus.TOO_MANY_REQUESTS)


def _until(request: HttpRequest, credentials: Mapping[str, Any] | None) -> datetime:
    """When all that is counted now will be forgotten."""
    attempts = AxesProxyHandler.get_implementation().get_user_attempts(request, credentials)
    latest: list[datetime | None] = [
        rows.aggregate(latest=Max("attempt_time"))["latest"] for rows in attempts
    ]
    span: timedelta = timezone.now() - get_cool_off_threshold(request)
    return max((each for each in latest if each), default=timezone.now()) + span


def _sum(attempts: QuerySet[Any]) -> int:
    return attempts.aggregate(failures=Sum("failures_since_start"))["failures"] or 0
