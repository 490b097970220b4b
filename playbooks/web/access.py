"""Teams and roles: who has what, since when, and granted by whom."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from playbooks import access
from playbooks.domain.roles import PERMISSIONS
from playbooks.operations.grants import PERMISSIONS as GIVABLE
from playbooks.operations.objects import KINDS
from playbooks.queries import rights as queries
from playbooks.web.callers import person_of, require
from playbooks.web.listing import Filter, choice, filters, page_of, search_of, searched

SEE = ("see_people", "see who has what")
TABS = {
    "access": "People",
    "access-roles": "Roles",
    "access-teams": "Teams",
    "access-rights": "Rights on objects",
}
SHOWN = {"": "Active", "all": "All", "former": "Deactivated"}


@require_safe
@login_required
def people(request: HttpRequest) -> HttpResponse:
    require(request, *SEE)
    text, shown = search_of(request), choice(request, "show", SHOWN)
    rows = queries.people(person_of(request))
    found = searched(rows, text, "username", "name")
    if shown != "all":
        found = found.filter(is_active=shown != "former")
    page = page_of(found, request, lambda some: [queries.person_row(each) for each in some])
    return _render(request, "access", page=page, search=text, filters=filters(request, "show", SHOWN))


@require_safe
@login_required
def person(request: HttpRequest, username: str) -> HttpResponse:
    require(request, *SEE)
    viewer = person_of(request)
    subject = queries.person_view(username, viewer)
    if subject is None:
        raise Http404(f"There is nobody called {username}.")
    return _render(
        request,
        "access-person",
        subject=subject,
        rights=queries.grants(viewer, holder=username),
        past=queries.past_of(username, viewer),
        roles=_others(queries.role_choices(viewer), {each.slug for each in subject.roles}),
        teams=_others(queries.team_choices(viewer), {each.slug for each in subject.teams}),
    )


@require_safe
@login_required
def roles(request: HttpRequest) -> HttpResponse:
    require(request, *SEE)
    text = search_of(request)
    rows = searched(queries.roles(person_of(request)), text, "name", "custom__title")
    page = page_of(rows, request, lambda some: [queries.role_row(each) for each in some])
    return _render(request, "access-roles", page=page, search=text, permissions=sorted(PERMISSIONS))


@require_safe
@login_required
def role(request: HttpRequest, slug: str) -> HttpResponse:
    require(request, *SEE)
    viewer = person_of(request)
    row = queries.role_view(slug, viewer)
    if row is None:
        raise Http404(f"There is no role {slug}.")
    holders = queries.holders_of(slug, viewer)
    return _render(
        request,
        "access-role",
        role=row,
        holders=holders,
        rights=queries.grants(viewer, role=slug),
        people=_others(queries.people_choices(viewer), {each.person.username for each in holders}),
        permissions=sorted(PERMISSIONS),
    )


@require_safe
@login_required
def teams(request: HttpRequest) -> HttpResponse:
    require(request, *SEE)
    text = search_of(request)
    rows = searched(queries.teams(person_of(request)), text, "slug", "name")
    page = page_of(rows, request, lambda some: [queries.team_row(each) for each in some])
    return _render(request, "access-teams", page=page, search=text)


@require_safe
@login_required
def team(request: HttpRequest, slug: str) -> HttpResponse:
    require(request, *SEE)
    viewer = person_of(request)
    row = queries.team_view(slug, viewer)
    if row is None:
        raise Http404(f"There is no team {slug}.")
    members = queries.members_of(slug, viewer)
    return _render(
        request,
        "access-team",
        team=row,
        members=members,
        belongings=queries.belongings_of(slug, viewer),
        people=_others(queries.people_choices(viewer), {each.person.username for each in members}),
        kinds=list(KINDS),
    )


@require_safe
@login_required
def rights(request: HttpRequest) -> HttpResponse:
    require(request, *SEE)
    viewer, kinds = person_of(request), {"": "All", **{kind: f"{kind.capitalize()}s" for kind in KINDS}}
    return _render(
        request,
        "access-rights",
        rights=queries.grants(viewer, kind=choice(request, "kind", kinds)),
        filters=filters(request, "kind", kinds),
        permissions=[each for some in GIVABLE.values() for each in some],
        kinds=list(KINDS),
        people=queries.people_choices(viewer),
        roles=queries.role_choices(viewer),
    )


def _others(choices: dict[str, str], held: set[str]) -> dict[str, str]:
    return {slug: label for slug, label in choices.items() if slug not in held}


def _render(request: HttpRequest, here: str, **context: object) -> HttpResponse:
    tabs = [Filter(label, reverse(name), name == here) for name, label in TABS.items()]
    may_manage = access.may(person_of(request), "manage_people")
    return render(
        request, f"{here.replace('-', '_')}.html", {**context, "tabs": tabs, "may_manage": may_manage}
    )
