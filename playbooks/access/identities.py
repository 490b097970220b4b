"""Which accounts are one human: further accounts of a person, and the service accounts that they answer for.

The duty rules look at people, not at accounts: whoever asked by one account has asked by all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Coalesce

from playbooks.models import Principal


def accounts_of(principal_ids: Iterable[UUID]) -> dict[UUID, frozenset[UUID]]:
    """For each of these accounts all accounts of the same human, itself among them, read fresh in one query.

    A service account is its owner's, and so the owner's accounts are its own. Deactivated accounts are in it: what a
    person did by them they did. An id that nobody bears stands for itself alone.
    """
    asked = set(principal_ids)
    humans = _with_human().filter(pk__in=asked).values("human")
    found: dict[UUID, set[UUID]] = defaultdict(set)
    for account, human in _with_human().filter(human__in=humans).values_list("pk", "human"):
        found[human].add(account)
    whole = {account: frozenset(accounts) for accounts in found.values() for account in accounts}
    return {each: whole.get(each, frozenset({each})) for each in asked}


def same_human(one: UUID, other: UUID) -> bool:
    """Whether both accounts are of one human."""
    return other in accounts_of([one])[one]


def same_human_as(person: UUID) -> QuerySet[Any]:
    """The ids of all accounts of one human, as a part of another query."""
    human = _with_human().filter(pk=person).values("human")
    return _with_human().filter(human__in=human).values("pk")


def _with_human() -> QuerySet[Any]:
    """Accounts with the id of the first account of whoever answers for them, as `human`."""
    return Principal.objects.annotate(
        human=Coalesce("owner__same_person_as", "owner", "same_person_as", "pk")
    )
