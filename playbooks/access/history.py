"""Who gave whom a right, and when: what influence by history is read from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth.models import Permission
from django.db.models import Exists, OuterRef

from playbooks.models import Membership, TeamMembership

COOLING = timedelta(hours=24)
GIVES_ROLES = (
    "manage_people"  # whoever was lately given a role that permits it has the right to give from its giver
)


@dataclass(frozen=True, slots=True)
class _Gift:
    receiver: UUID
    role: str
    giver: UUID | None  # None for the command line
    gives_roles: bool
    is_of_directory: bool


Grantors = Mapping[str, frozenset[str]]  # of somebody's roles: {role: ids}


def grantors_of(roles: Mapping[UUID, frozenset[str]], since: datetime) -> Mapping[UUID, Grantors]:
    """For each of these people and each of these roles of theirs that was given since then: the ids of whoever gave
    it, and of those who since then gave the giver that role, or one that permits to give roles; back to the
    beginning of that chain.

    What a directory gave has nobody who vouches for it, so it counts as given by the person to themselves. What the
    command line gave has whoever runs the machine, who is nobody here, and is in no chain. In one query where
    nothing was given, in two otherwise.
    """
    if not Membership.objects.filter(principal__in=roles, granted_at__gte=since).exists():
        return {person: {} for person in roles}
    gifts = _gifts(since)
    return {person: _chains(gifts, person, held) for person, held in roles.items()}


def teams_given_since(person: UUID, since: datetime) -> Mapping[UUID, UUID]:
    """{team: who took the person into it} of those to which they belong since then, in one query."""
    rows = TeamMembership.objects.filter(principal=person, granted_at__gte=since, granted_by__isnull=False)
    return dict(rows.values_list("team", "granted_by"))


def _chains(gifts: Mapping[UUID, list[_Gift]], person: UUID, roles: frozenset[str]) -> Grantors:
    chains: dict[str, frozenset[str]] = {}
    for gift in gifts[person]:
        if gift.role in roles:
            chains[gift.role] = chains.get(gift.role, frozenset()) | _chain(gift, gifts)
    return chains


def _chain(gift: _Gift, gifts: Mapping[UUID, list[_Gift]]) -> frozenset[str]:
    found: set[UUID] = set()
    ahead = [gift]
    while ahead:
        each = ahead.pop()
        giver = each.receiver if each.is_of_directory else each.giver
        if giver is None or giver in found:
            continue
        found.add(giver)
        ahead += [before for before in gifts[giver] if before.role == gift.role or before.gives_roles]
    return frozenset(str(each) for each in found)


def _gifts(since: datetime) -> Mapping[UUID, list[_Gift]]:
    """All that were given since then, also those that have ended, by receiver."""
    found: dict[UUID, list[_Gift]] = defaultdict(list)
    gives = Exists(Permission.objects.filter(group=OuterRef("group"), codename=GIVES_ROLES))
    rows = Membership.history.filter(granted_at__gte=since).annotate(gives=gives)
    for row in rows.values_list("principal", "group__name", "granted_by", "gives", "is_of_directory"):
        found[row[0]].append(_Gift(*row))
    return found
