"""Who has what, since when, and granted by whom: people, roles, teams, and rights on single objects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db.models import Count, Model, Prefetch, Q, QuerySet

from playbooks import access
from playbooks.access.grants import GRANTS, Tables
from playbooks.domain.roles import ROLES
from playbooks.models import (
    Case,
    Connection,
    Membership,
    Playbook,
    Principal,
    Source,
    Team,
    TeamMembership,
)
from playbooks.queries import references
from playbooks.queries.references import Person

MOST_GRANTS = 200  # of one kind of object, the newest


@dataclass(frozen=True, slots=True)
class Holding:
    """A role or a team that somebody has or had. `granted_by` is None for the command line and for a directory."""

    slug: str
    title: str
    granted_by: Person | None
    granted_at: datetime
    of_directory: bool
    ended_by: Person | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class PersonRow:
    id: UUID
    username: str
    name: str
    kind: str
    is_active: bool
    is_superuser: bool
    joined_at: datetime
    roles: tuple[Holding, ...]
    teams: tuple[Holding, ...]


@dataclass(frozen=True, slots=True)
class GrantView:
    """A right on one object. `kind` and `key` name it in addresses, `label` for people; `to` is a person or a role."""

    kind: str
    key: str
    label: str
    permission: str
    to_person: Person | None
    to_role: str
    reason: str
    granted_by: Person | None
    granted_at: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Holder:
    person: Person
    granted_by: Person | None
    granted_at: datetime
    of_directory: bool


@dataclass(frozen=True, slots=True)
class RoleRow:
    """`permissions` are codenames; what a built-in role permits never changes."""

    slug: str
    title: str
    built_in: bool
    permissions: tuple[str, ...]
    holders: int
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class TeamRow:
    id: UUID
    slug: str
    name: str
    members: int
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Belongings:
    """What belongs to a team, as far as the viewer reaches it."""

    playbooks: tuple[str, ...]
    connections: tuple[str, ...]
    sources: tuple[str, ...]
    cases: int


def people(person: Principal) -> QuerySet[Principal]:
    """Everybody, for whoever sees people, by username, with their roles and teams."""
    rows = access.visible(person, "see_people", Principal.objects.all())
    roles = Membership.objects.select_related("group__custom", "granted_by", "ended_by")
    teams = TeamMembership.objects.select_related("team", "granted_by", "ended_by")
    return rows.prefetch_related(
        Prefetch("memberships", roles.order_by("group__name")),
        Prefetch("team_memberships", teams.order_by("team__slug")),
    ).order_by("username")


def person_row(row: Principal) -> PersonRow:
    return PersonRow(
        id=row.pk,
        username=row.username,
        name=str(row),
        kind=row.kind,
        is_active=row.is_active,
        is_superuser=row.is_superuser,
        joined_at=row.date_joined,
        roles=tuple(role_holding(each) for each in row.memberships.all()),
        teams=tuple(team_holding(each) for each in row.team_memberships.all()),
    )


def person_view(username: str, person: Principal) -> PersonRow | None:
    """None where there is nobody of that name or the person sees no people."""
    found = people(person).filter(username=username).first()
    return person_row(found) if found else None


def past_of(username: str, person: Principal) -> tuple[Holding, ...]:
    """The roles and teams that somebody had, the last first."""
    seen = access.visible(person, "see_people", Principal.objects.filter(username=username))
    ended = {"principal__in": seen, "ended_at__isnull": False}
    roles = Membership.history.filter(**ended).select_related("group__custom", "granted_by", "ended_by")
    teams = TeamMembership.history.filter(**ended).select_related("team", "granted_by", "ended_by")
    found = [*map(role_holding, roles), *map(team_holding, teams)]
    return tuple(sorted(found, key=lambda each: each.ended_at or each.granted_at, reverse=True))


def roles(person: Principal) -> QuerySet[Group]:
    """Every role, for whoever sees people, by slug, with `holders` and what it permits."""
    rows = access.visible(person, "see_people", Group.objects.all())
    holds = Q(memberships__ended_at__isnull=True, memberships__principal__is_active=True)
    counted = rows.annotate(holders=Count("memberships", filter=holds)).select_related("custom")
    return counted.prefetch_related("permissions").order_by("name")


def role_row(row: Group) -> RoleRow:
    custom = getattr(row, "custom", None)
    figures: Any = row  # annotated by `roles`
    return RoleRow(
        slug=row.name,
        title=role_title(row),
        built_in=row.name in ROLES,
        permissions=tuple(sorted(each.codename for each in row.permissions.all())),
        holders=figures.holders,
        ended_at=custom.ended_at if custom else None,
    )


def role_view(slug: str, person: Principal) -> RoleRow | None:
    found = roles(person).filter(name=slug).first()
    return role_row(found) if found else None


def holders_of(slug: str, person: Principal) -> tuple[Holder, ...]:
    """Who holds a role now, by name; nobody for whoever sees no people."""
    seen = access.visible(person, "see_people", Principal.objects.filter(is_active=True))
    rows = Membership.objects.filter(group__name=slug, principal__in=seen)
    return tuple(
        _holder(each, of_directory=each.is_of_directory)
        for each in rows.select_related("principal", "granted_by").order_by("principal__username")
    )


def teams(person: Principal) -> QuerySet[Team]:
    """Every team, for whoever sees people, by slug, with `members`. That there is a team is no secret."""
    rows = access.visible(person, "see_people", Team.objects.all())
    belongs = Q(memberships__ended_at__isnull=True, memberships__principal__is_active=True)
    return rows.annotate(members=Count("memberships", filter=belongs)).order_by("slug")


def team_row(row: Team) -> TeamRow:
    figures: Any = row  # annotated by `teams`
    return TeamRow(row.pk, row.slug, row.name, figures.members, row.created_at, row.ended_at)


def team_view(slug: str, person: Principal) -> TeamRow | None:
    found = teams(person).filter(slug=slug).first()
    return team_row(found) if found else None


def members_of(slug: str, person: Principal) -> tuple[Holder, ...]:
    """Who belongs to a team now, by name; nobody for whoever sees no people."""
    seen = access.visible(person, "see_people", Principal.objects.filter(is_active=True))
    rows = TeamMembership.objects.filter(team__slug=slug, principal__in=seen)
    return tuple(
        _holder(each, of_directory=False)
        for each in rows.select_related("principal", "granted_by").order_by("principal__username")
    )


def people_choices(person: Principal) -> dict[str, str]:
    """{username: name} of all who are active, for a form."""
    rows = access.visible(person, "see_people", Principal.objects.filter(is_active=True))
    return {each.username: str(each) for each in rows.order_by("name", "username")}


def role_choices(person: Principal) -> dict[str, str]:
    """{slug: title} of the roles that can be given."""
    rows = access.visible(person, "see_people", Group.objects.filter(custom__ended_at__isnull=True))
    return {each.name: role_title(each) for each in rows.select_related("custom").order_by("name")}


def team_choices(person: Principal) -> dict[str, str]:
    """{slug: name} of the teams that have not ended."""
    rows = access.visible(person, "see_people", Team.objects.filter(ended_at__isnull=True))
    return {each.slug: each.name for each in rows.order_by("slug")}


def belongings_of(slug: str, person: Principal) -> Belongings:
    playbooks = access.visible(person, "see_playbook", Playbook.objects.filter(team__slug=slug))
    connections = access.visible(person, "see_connection", Connection.objects.filter(team__slug=slug))
    sources = access.visible(person, "manage_source", Source.objects.filter(team__slug=slug))
    cases = access.visible(person, "see_case", Case.objects.filter(team__slug=slug))
    return Belongings(
        playbooks=tuple(playbooks.order_by("slug").values_list("slug", flat=True)),
        connections=tuple(connections.order_by("name").values_list("name", flat=True)),
        sources=tuple(sources.order_by("slug").values_list("slug", flat=True)),
        cases=cases.count(),
    )


def grants(
    person: Principal, *, kind: str = "", key: str = "", holder: str = "", role: str = ""
) -> tuple[GrantView, ...]:
    """Rights on single objects that are in force, the newest first, in two queries for each kind of object.

    For whoever sees people, and only on objects within their reach. Narrowed to a kind, one object of it, one person
    or one role.
    """
    if not access.may(person, "see_people"):
        return ()
    wanted = [model for model, tables in GRANTS.items() if kind in {"", tables.kind}]
    found = [each for model in wanted for each in _grants_on(model, person, key, holder, role)]
    return tuple(sorted(found, key=lambda each: each.granted_at, reverse=True))


def role_title(role: Group) -> str:
    custom = getattr(role, "custom", None)
    return custom.title if custom else references.role_title(role.name)


def role_holding(row: Membership) -> Holding:
    return Holding(
        row.group.name,
        role_title(row.group),
        references.person(row.granted_by),
        row.granted_at,
        row.is_of_directory,
        references.person(row.ended_by),
        row.ended_at,
    )


def team_holding(row: TeamMembership) -> Holding:
    by, ended_by = references.person(row.granted_by), references.person(row.ended_by)
    return Holding(row.team.slug, row.team.name, by, row.granted_at, False, ended_by, row.ended_at)


def _holder(row: Membership | TeamMembership, *, of_directory: bool) -> Holder:
    return Holder(
        references.known(row.principal), references.person(row.granted_by), row.granted_at, of_directory
    )


def _grants_on(
    model: type[Model], person: Principal, key: str, holder: str, role: str
) -> Iterator[GrantView]:
    tables = GRANTS[model]
    near = access.within_reach(person, model._default_manager.all())
    try:
        near = near.filter(**{tables.key: key}) if key else near
    except (ValidationError, ValueError):
        return  # no id, so nothing has it
    about = ("content_object", "permission", "granted_by")
    of_people = tables.to_person.objects.select_related("user", *about).filter(content_object__in=near)
    of_roles = tables.to_role.objects.select_related("group", *about).filter(content_object__in=near)
    if not role:
        named = of_people.filter(user__username=holder) if holder else of_people
        for row in named.order_by("-granted_at", "-pk")[:MOST_GRANTS]:
            yield _grant(tables, row, references.person(row.user), "")
    if not holder:
        named = of_roles.filter(group__name=role) if role else of_roles
        for row in named.order_by("-granted_at", "-pk")[:MOST_GRANTS]:
            yield _grant(tables, row, None, row.group.name)


def _grant(tables: Tables, row: Any, person: Person | None, role: str) -> GrantView:
    return GrantView(
        kind=tables.kind,
        key=str(getattr(row.content_object, tables.key)),
        label=str(row.content_object),
        permission=row.permission.codename,
        to_person=person,
        to_role=role,
        reason=row.reason,
        granted_by=references.person(row.granted_by),
        granted_at=row.granted_at,
        until=row.expires_at,
    )
