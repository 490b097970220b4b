"""Who has lately changed the rules by which a request is decided: influence by history (approvals.md, own_policy)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from playbooks.domain.policies.facts import TEST
from playbooks.models import ApprovalRequest, Connection, PolicyVersion

Makers = Mapping[str, str]  # {id: what they changed, as the rule's sentence has it}


def rule_makers_of(requests: Sequence[ApprovalRequest], since: datetime) -> dict[UUID, Makers]:
    """For each request whoever wrote, agreed to or put in force since then a version of a policy that asks for
    something in it, and whoever said since then that a connection which it uses is a test. In two queries.
    """
    about = {each.pk: json.loads(each.subject) for each in requests}
    policies = {pk: _slugs(subject) for pk, subject in about.items()}
    used = {
        pk: {item["connection"]["id"] for item in subject.get("covered", ())} for pk, subject in about.items()
    }
    of_policy = _by_policy(set().union(*policies.values()), since) if any(policies.values()) else {}
    marked = _by_connection(set().union(*used.values()), since) if any(used.values()) else {}
    return {
        pk: {
            **_merged(marked[each] for each in used[pk] if each in marked),
            **_merged(of_policy[each] for each in policies[pk] if each in of_policy),
        }
        for pk in about
    }


def _slugs(subject: Mapping[str, Any]) -> set[str]:
    return {name.rpartition(" ")[0] for name in subject.get("policies", {})}


def _by_policy(slugs: Iterable[str], since: datetime) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    rows = PolicyVersion.objects.filter(policy__slug__in=slugs, published_at__gte=since)
    for slug, *people in rows.values_list("policy__slug", "author", "seconder", "publisher"):
        named = {str(person): f"the policy {slug}" for person in people if person is not None}
        found.setdefault(slug, {}).update(named)
    return found


def _by_connection(used: Iterable[str], since: datetime) -> dict[str, dict[str, str]]:
    rows = Connection.objects.filter(
        pk__in=used, environment__iexact=TEST, environment_at__gte=since, environment_by__isnull=False
    )
    return {
        str(pk): {str(person): f"the environment of {name}"}
        for pk, name, person in rows.values_list("pk", "name", "environment_by")
    }


def _merged(many: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {person: what for each in many for person, what in each.items()}
