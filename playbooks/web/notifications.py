"""What one is told, how and where to; and the channels that a role shares, with what could not be delivered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import Group
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from playbooks import access
from playbooks.domain.notices import CHOSEN, Medium, NoticeKind, Rules, When
from playbooks.domain.statuses import NoticeStatus
from playbooks.operations import notice_rules as operations
from playbooks.operations.refusals import Invalid, Missing, Refused
from playbooks.queries import notices as queries
from playbooks.queries import references
from playbooks.web.callers import caller_of, person_of, require, text_of
from playbooks.web.listing import Filter, choice, filters, page_of
from playbooks.web.refusing import Refusal, refusal_of

WHEN = {When.AT_ONCE: "At once", When.DIGEST: "In a digest", When.NEVER: "Not at all"}
SHOWN = {"": "To go out", "given_up": "Given up", "sent": "Sent", "dropped": "Dropped"}
STATUSES = {**{status.value: status for status in NoticeStatus}, "": NoticeStatus.QUEUED}
TOLD = ("see_run", "be told of what happens")
MANAGE = ("manage_notices", "see and change the channels that roles share")
ON_ITS_WAY = "A test message is on its way. Whether it arrives stands here within a minute."


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def notifications(request: HttpRequest) -> HttpResponse:
    """One's own page. A POST sets all of one's rules."""
    require(request, *TOLD)
    if request.method != "POST":
        return _own(request)
    try:
        operations.set_rules(_rules(request), caller=caller_of(request))
    except (Refused, Invalid) as error:
        return _own(request, refusal_of(request, error))
    messages.success(request, "From now on you are told so.")
    return redirect("notifications")


@require_POST
@login_required
def add_service(request: HttpRequest) -> HttpResponse:
    try:
        row = operations.add_service(
            caller=caller_of(request), name=text_of(request, "name"), address=text_of(request, "address")
        )
    except (Refused, Invalid) as error:
        return _own(request, refusal_of(request, error))
    messages.success(
        request, f"{row.name} is added. Its address is sealed and not shown again. Send a test now."
    )
    return redirect("notifications")


@require_POST
@login_required
def try_mail(request: HttpRequest) -> HttpResponse:
    require(request, *TOLD)
    try:
        operations.try_mailbox(caller=caller_of(request))
    except (Refused, Invalid) as error:
        return _own(request, refusal_of(request, error))
    messages.info(request, ON_ITS_WAY)
    return redirect("notifications")


@require_POST
@login_required
def change_channel(request: HttpRequest, pk: UUID, act: str) -> HttpResponse:
    """Sends a test to a channel, or removes it: one's own, or, with the permission, one that a role shares."""
    acts = {"test": operations.try_channel, "remove": operations.remove}
    try:
        row = acts[act](pk, caller=caller_of(request))
    except Missing as error:
        raise Http404(str(error)) from error
    except Refused as error:
        return _own(request, refusal_of(request, error))
    messages.info(request, ON_ITS_WAY if act == "test" else f"{row.name} is removed.")
    return redirect("notifications" if row.person_id else "notice-channels")


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def channels(request: HttpRequest) -> HttpResponse:
    """The channels that roles share, and the deliveries. A POST adds a channel."""
    require(request, *MANAGE)
    if request.method != "POST":
        return _shared(request)
    where = text_of(request, "where").strip()
    is_mail = "://" not in where
    try:
        row = operations.share(
            caller=caller_of(request),
            name=text_of(request, "name"),
            role=text_of(request, "role"),
            kinds=[kind for kind in CHOSEN if kind.value in request.POST.getlist("kinds")],
            address="" if is_mail else where,
            mailbox=where if is_mail else "",
        )
    except (Refused, Invalid) as error:
        return _shared(request, refusal_of(request, error))
    messages.success(request, f"{row.name} is added. Send a test now.")
    return redirect("notice-channels")


def _own(request: HttpRequest, refusal: Refusal | None = None) -> HttpResponse:
    context = {
        "rules": queries.own_rules(person_of(request)),
        "choices": [(value.value, label) for value, label in WHEN.items()],
        "hours": range(24),
        "tabs": _tabs(request, "notifications"),
        "refusal": refusal,
        "name": request.POST.get("name", ""),
    }
    return render(request, "notifications.html", context, status=_status(refusal))


def _shared(request: HttpRequest, refusal: Refusal | None = None) -> HttpResponse:
    person = person_of(request)
    shown = choice(request, "show", SHOWN)
    rows = queries.notices(person).filter(status=STATUSES[shown])
    context = {
        "channels": queries.channel_views(list(queries.shared(person))),
        "queue": queries.queue(),
        "page": page_of(rows.order_by("due_at", "pk") if not shown else rows, request, queries.notice_views),
        "filters": filters(request, "show", SHOWN),
        "shown": shown,
        "kinds": CHOSEN,
        "roles": [(name, references.role_title(name)) for name in _role_names()],
        "tabs": _tabs(request, "notice-channels"),
        "refusal": refusal,
        "given": request.POST,
        "given_kinds": request.POST.getlist("kinds"),
    }
    return render(request, "notice_channels.html", context, status=_status(refusal))


def _role_names() -> list[str]:
    return list(Group.objects.order_by("name").values_list("name", flat=True))


def _status(refusal: Refusal | None) -> HTTPStatus:
    return refusal.status if refusal else HTTPStatus.OK


def _tabs(request: HttpRequest, active: str) -> list[Filter]:
    pages = {"notifications": "Yours"}
    if access.may(person_of(request), "manage_notices"):
        pages["notice-channels"] = "Shared, and deliveries"
    return [Filter(label, reverse(name), name == active) for name, label in pages.items()]


def _rules(request: HttpRequest) -> Rules:
    """What the form says. Raises Invalid for what no form of ours sends, too."""
    daily = request.POST.get("digest") == "daily"
    return Rules(
        chosen={kind: _chosen(request, kind) for kind in CHOSEN},
        digest_minutes=_number(request, "digest_minutes") or 60,
        digest_hour=(_number(request, "digest_hour") or 0) if daily else None,
        quiet_from=_time(request, "quiet_from"),
        quiet_until=_time(request, "quiet_until"),
        zone=text_of(request, "zone").strip() or "UTC",
    )


def _chosen(request: HttpRequest, kind: NoticeKind) -> Mapping[Medium, When]:
    found = {medium: request.POST.get(f"{kind}.{medium}") for medium in Medium}
    try:
        return {medium: When(value) for medium, value in found.items() if value}
    except ValueError:
        raise Invalid([(f"/kinds/{kind}", "Choose at once, in a digest, or not at all.")]) from None


def _number(request: HttpRequest, field: str) -> int | None:
    text = request.POST.get(field, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise Invalid([(f"/{field}", "Write a whole number.")])
    return int(text)


def _time(request: HttpRequest, field: str) -> time | None:
    text = request.POST.get(field, "").strip()
    try:
        return time.fromisoformat(text).replace(tzinfo=None) if text else None
    except ValueError:
        raise Invalid([(f"/{field}", "Write a time such as 22:00.")]) from None
