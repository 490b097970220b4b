"""Policies with their versions, one version with its text, and the never-touch list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from playbooks import access
from playbooks.audit import Stream, reading
from playbooks.domain.change_rules import Governance
from playbooks.domain.differences import text_differences
from playbooks.domain.policies.changes import governance_of
from playbooks.domain.policies.document import LEAVES, seats_of
from playbooks.domain.policies.document import Policy as Document
from playbooks.domain.policies.facts import COOLING
from playbooks.domain.statuses import VersionStatus
from playbooks.models import NeverTouch, Policy, PolicyVersion, Principal
from playbooks.queries import audit as log
from playbooks.queries import references
from playbooks.queries.policy_quorums import Able, able, asked_by, unfillable_seats
from playbooks.queries.references import Person

ORDER = ("require", "forbid", "limit", "step_up", "notify", "permit", "provisional")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersionRow:
    """`kept_until` is until when a version that was replaced or retired is asked all the same."""

    number: int
    status: str
    digest: str
    author: Person | None
    seconder: Person | None
    publisher: Person | None
    created_at: datetime
    published_at: datetime | None
    retired_at: datetime | None
    kept_until: datetime | None


@dataclass(frozen=True, slots=True)
class PolicyEvent:
    """What happened to a version; `reason` is why it was sent back or ended, empty for the rest."""

    at: datetime
    by: str
    verb: str
    meaning: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersionView(PolicyVersionRow):
    """`effects` are what it does, of require, forbid, limit, step_up, notify, permit and provisional. `unfillable` are
    seats that it asks for and that too few people could take. `retirement_by` has asked for its end. `may` are the
    moves that the person's roles allow: submit, second, publish, send_back, retire, adapt.
    """

    policy: str
    title: str
    source: str
    document: Mapping[str, Any]
    effects: tuple[str, ...]
    unfillable: tuple[str, ...]
    uses: int
    retirement_by: Person | None
    history: tuple[PolicyEvent, ...]
    may: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRow:
    """`in_force` is the number of the version in force. `roles` are the seats that it asks for, by name."""

    id: UUID
    slug: str
    title: str
    in_force: int | None
    latest: int
    effects: tuple[str, ...]
    roles: tuple[str, ...]
    condition: str
    unfillable: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyView(PolicyRow):
    """`versions` are newest first."""

    description: str
    versions: tuple[PolicyVersionRow, ...]
    may_write: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDifferences:
    """From version `old` to version `new`, the higher number. `text` is a unified diff of the two texts."""

    policy: str
    old: int
    new: int
    governance: tuple[Governance, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedView:
    """A target on the never-touch list. One that was taken off it is kept to until `kept_until`."""

    id: UUID
    kind: str
    value: str
    reason: str
    added_by: Person | None
    added_at: datetime
    removed_by: Person | None
    removed_at: datetime | None
    kept_until: datetime | None


def policies(person: Principal) -> QuerySet[Policy]:
    """The policies that the person may see, by slug, with their versions."""
    rows = access.visible(person, "see_policy", Policy.objects.all())
    versions = PolicyVersion.objects.select_related("author", "seconder", "publisher", "retirement_by")
    return rows.prefetch_related(Prefetch("versions", versions.order_by("-number"))).order_by("slug")


def rows(found: Sequence[Policy]) -> list[PolicyRow]:
    people = able(_shown(list(each.versions.all())) for each in found)
    return [PolicyRow(**_head(each, people)) for each in found]


def policy_view(slug: str, person: Principal) -> PolicyView | None:
    """None where there is no such policy or the person may not know of it."""
    found = policies(person).filter(slug=slug).first()
    if found is None:
        return None
    versions = list(found.versions.all())
    return PolicyView(
        **_head(found, able([_shown(versions)])),
        description=_shown(versions).document.get("description", ""),
        versions=tuple(PolicyVersionRow(**_version_head(each)) for each in versions),
        may_write=access.may(person, "write_policy"),
    )


def version_view(slug: str, number: int, person: Principal) -> PolicyVersionView | None:
    """None where there is no such version or the person may not know of it."""
    found = _versions(slug, person).filter(number=number).first()
    if found is None:
        return None
    return PolicyVersionView(
        **_version_head(found),
        policy=slug,
        title=found.document["title"],
        source=found.source,
        document=found.document,
        effects=_effects(found),
        unfillable=_unfillable(found, able([found])),
        uses=found.uses.count(),
        retirement_by=references.person(found.retirement_by),
        history=_history(found),
        may=_may(found, person),
    )


def differences(slug: str, one: int, other: int, person: Principal) -> PolicyDifferences | None:
    """None where there is no such version or the person may not know of it."""
    found = {each.number: each for each in _versions(slug, person).filter(number__in={one, other})}
    if found.keys() != {one, other}:
        return None
    old, new = found[min(one, other)], found[max(one, other)]
    before, after = (Document.model_validate(each.document) for each in (old, new))
    return PolicyDifferences(
        policy=slug,
        old=old.number,
        new=new.number,
        governance=governance_of(before, after),
        text=text_differences(
            old.source, new.source, old_name=f"version {old.number}", new_name=f"version {new.number}"
        ),
    )


def protected(person: Principal) -> QuerySet[NeverTouch]:
    """The list, with what was taken off it."""
    found = access.visible(person, "see_policy", NeverTouch.objects.all())
    return found.select_related("added_by", "removed_by").order_by("kind", "value", "pk")


def protected_view(row: NeverTouch) -> ProtectedView:
    return ProtectedView(
        id=row.pk,
        kind=row.kind,
        value=row.value,
        reason=row.reason,
        added_by=references.person(row.added_by),
        added_at=row.added_at,
        removed_by=references.person(row.removed_by),
        removed_at=row.removed_at,
        kept_until=row.removed_at + COOLING if row.removed_at else None,
    )


def _versions(slug: str, person: Principal) -> QuerySet[PolicyVersion]:
    visible = access.visible(person, "see_policy", Policy.objects.filter(slug=slug))
    found = PolicyVersion.objects.filter(policy__in=visible)
    return found.select_related("policy", "author", "seconder", "publisher", "retirement_by")


def _shown(versions: list[PolicyVersion]) -> PolicyVersion:
    """The one in force, else the newest."""
    return next((each for each in versions if each.status == VersionStatus.PUBLISHED), versions[0])


def _head(policy: Policy, people: Able) -> dict[str, Any]:
    versions = list(policy.versions.all())
    shown = _shown(versions)
    roles = [seat.name for _, seat in seats_of(Document.model_validate(shown.document))]
    return {
        "id": policy.pk,
        "slug": policy.slug,
        "title": policy.title,
        "in_force": shown.number if shown.status == VersionStatus.PUBLISHED else None,
        "latest": versions[0].number,
        "effects": _effects(shown),
        "roles": tuple(roles),
        "condition": shown.document["when"],
        "unfillable": _unfillable(shown, people),
        "created_at": policy.created_at,
    }


def _effects(version: PolicyVersion) -> tuple[str, ...]:
    return tuple(each for each in ORDER if version.document.get(each))


def _unfillable(version: PolicyVersion, people: Able) -> tuple[str, ...]:
    return unfillable_seats(asked_by(version), people)


def _version_head(version: PolicyVersion) -> dict[str, Any]:
    kept_until = version.retired_at + COOLING if version.retired_at else None
    is_kept = kept_until is not None and kept_until > timezone.now() and LEAVES.isdisjoint(version.document)
    return {
        "number": version.number,
        "status": version.status,
        "digest": version.digest,
        "author": references.person(version.author),
        "seconder": references.person(version.seconder),
        "publisher": references.person(version.publisher),
        "created_at": version.created_at,
        "published_at": version.published_at,
        "retired_at": version.retired_at,
        "kept_until": kept_until if is_kept else None,
    }


def _may(version: PolicyVersion, person: Principal) -> tuple[str, ...]:
    """The moves that follow and that the person's roles allow; duty rules may still forbid them."""
    held = access.permissions_of(person)
    writes, publishes = "write_policy" in held, "publish_policy" in held
    status, is_leave = version.status, not LEAVES.isdisjoint(version.document)
    needs_second = is_leave and version.seconder_id is None
    moves = {
        "submit": writes and status == VersionStatus.DRAFT,
        "second": publishes and status == VersionStatus.IN_REVIEW and needs_second,
        "publish": publishes and status == VersionStatus.IN_REVIEW and not needs_second,
        "send_back": (publishes or version.author == person) and status == VersionStatus.IN_REVIEW,
        "retire": publishes and status == VersionStatus.PUBLISHED,
        "adapt": writes,
    }
    return tuple(name for name, may in moves.items() if may)


def _history(version: PolicyVersion) -> tuple[PolicyEvent, ...]:
    stream = Stream("policy", str(version.policy_id))
    entries = reading.entries(streams=[stream], subject=str(version.pk)).select_related("body")
    return tuple(_event(log.view(each)) for each in reversed(entries))


def _event(entry: log.EntryView) -> PolicyEvent:
    reason = entry.facts.get("reason", "")
    return PolicyEvent(entry.occurred_at, entry.actor.label, entry.verb, entry.meaning, reason)
