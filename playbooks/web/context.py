"""What every page shows besides its own content: the navigation and, in the demo, the switch between people."""

from __future__ import annotations

from collections.abc import Collection, Container
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from playbooks import access
from playbooks.models import Principal, PrincipalKind
from playbooks.operations import first_administrator
from playbooks.queries import approvals, holds, profiles, questions, references
from playbooks.queries.holds import HoldView
from playbooks.queries.profiles import ProfileView
from playbooks.web import single_sign_on

COUNTED = 50  # more than these are not worth a number beside a word

# URL name, label, icon, and the beginning of the names of the pages behind it.
SECTIONS = (
    (
        "inbox",
        "Inbox",
        "inbox",
        (
            "inbox",
            "approval",
            "decide",
            "break-glass",
            "withdraw",
            "strike",
            "ask-again",
            "question",
            "delegation",
        ),
    ),
    ("alerts", "Alerts", "alert", ("alert",)),
    ("cases", "Cases", "case", ("case",)),
    ("runs", "Runs", "run", ("run", "resolve")),
    ("playbooks", "Playbooks", "playbook", ("playbook", "start-run", "new-playbook")),
    ("policies", "Policies", "policy", ("policies", "policy", "new-policy", "check-policy", "never-touch")),
    ("holds", "Operations", "hold", ("hold", "expiries", "review", "profile")),
    ("access", "Access", "person", ("access",)),
    ("audit", "Audit", "audit", ("audit",)),
)

ACCOUNT = (
    ("notifications", "Notifications"),
    ("keys", "Sessions and keys"),
    ("delegations", "Delegations"),
    ("rotas", "On call"),
)
HIDDEN = {
    "audit": "see_audit",
    "access": "see_people",
    "holds": "see_run",
    "policies": "see_policy",
    "profile": "see_run",
    "notifications": "see_run",
    "delegations": "see_people",
    "rotas": "see_people",
}  # from whoever has not this permission
OF_RUN = ("run", "resolve")


@dataclass(frozen=True, slots=True)
class Link:
    url: str
    label: str
    icon: str
    active: bool
    count: int = 0


@dataclass(frozen=True, slots=True)
class DemoPerson:
    username: str
    label: str
    current: bool


@dataclass(frozen=True, slots=True)
class Demo:
    """`back` is the page to which the switch returns."""

    people: tuple[DemoPerson, ...]
    back: str


def page(request: HttpRequest) -> dict[str, Any]:
    """The context processor. Nothing is read before a template asks for it."""
    hidden = SimpleLazyObject(lambda: _hidden(request))
    return {
        "navigation": SimpleLazyObject(lambda: _navigation(request, hidden)),
        "account_links": SimpleLazyObject(lambda: _account(hidden)),
        "hidden_pages": hidden,
        "profile": SimpleLazyObject(lambda: _profile(request)),
        "holds_here": SimpleLazyObject(lambda: _held(request)),
        "demo": SimpleLazyObject(lambda: _demo(request)) if settings.DEMO else None,
        "identity_providers": SimpleLazyObject(single_sign_on.providers),
        "nobody_yet": SimpleLazyObject(first_administrator.is_wanted),
    }


def _hidden(request: HttpRequest) -> Collection[str]:
    """The names of the pages that are not for the person."""
    person = request.user
    permissions = access.permissions_of(person) if isinstance(person, Principal) else ()
    return {name for name, permission in HIDDEN.items() if permission not in permissions}


def _account(hidden: Container[str]) -> tuple[tuple[str, str], ...]:
    """The address and the label of each page of a person's own."""
    return tuple((reverse(name), label) for name, label in ACCOUNT if name not in hidden)


def _navigation(request: HttpRequest, hidden: Container[str]) -> tuple[Link, ...]:
    person = request.user
    if not isinstance(person, Principal):
        return ()
    here = (request.resolver_match and request.resolver_match.url_name) or ""
    return tuple(
        Link(reverse(name), label, icon, here.startswith(pages), _count(name, person))
        for name, label, icon, pages in SECTIONS
        if name not in hidden
    )


def _count(name: str, person: Principal) -> int:
    """How many requests and questions the person may decide and answer now."""
    if name != "inbox":
        return 0
    rows = list(approvals.decidable(person)[:COUNTED])
    asked = questions.asked_of(person)[:COUNTED].count()
    return asked + sum(view.may_decide for view in approvals.views(rows, person))


def _profile(request: HttpRequest) -> ProfileView | None:
    """How far duties are segregated here, for whoever is signed in."""
    return profiles.profile() if isinstance(request.user, Principal) else None


def _held(request: HttpRequest) -> list[HoldView]:
    """The holds that concern what the page shows: everything, its playbook, its run and what that waits for."""
    match = request.resolver_match
    if not isinstance(request.user, Principal) or match is None or match.url_name == "holds":
        return []
    run = match.kwargs.get("pk") if (match.url_name or "").startswith(OF_RUN) else None
    return holds.concerning(request.user, playbook=match.kwargs.get("slug", ""), run=run)


def _demo(request: HttpRequest) -> Demo:
    people = Principal.objects.filter(is_active=True, kind=PrincipalKind.PERSON).order_by("date_joined")
    return Demo(
        people=tuple(
            DemoPerson(each.username, _described(each), each == request.user)
            for each in people.prefetch_related("memberships__group")
        ),
        back=request.get_full_path() if request.method == "GET" else reverse("inbox"),
    )


def _described(person: Principal) -> str:
    roles = [references.role_title(each.group.name) for each in person.memberships.all()]
    rights = " and ".join(roles) or "no role"
    return f"{person}: {rights}{', superuser' if person.is_superuser else ''}"
