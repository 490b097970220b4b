"""Who belongs to which teams, read fresh."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from playbooks.models import TeamMembership


def teams_of(people: Iterable[UUID]) -> dict[UUID, frozenset[UUID]]:
    """The ids of the teams to which each of these people belongs now, in one query; none once deactivated.

    Deciding transactions call this, never a cache. Ids, not names: a team that is renamed stays the same team.
    """
    held: dict[UUID, set[UUID]] = {each: set() for each in people}
    rows = TeamMembership.objects.filter(principal__in=held, principal__is_active=True)
    for principal, team in rows.values_list("principal", "team"):
        held[principal].add(team)
    return {each: frozenset(teams) for each, teams in held.items()}
