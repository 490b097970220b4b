"""Playbooks with how they fare, their versions, and one version with its text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Prefetch, Q, QuerySet

from playbooks import access
from playbooks.audit import Stream, reading
from playbooks.domain.pins import Pins
from playbooks.domain.playbook import Playbook as Document
from playbooks.domain.playbook import placed
from playbooks.domain.statuses import RUN_ENDED, RunStatus, VersionStatus
from playbooks.models import Case, Playbook, PlaybookVersion, Principal
from playbooks.queries import audit as log
from playbooks.queries import references
from playbooks.queries.references import Person


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    """A shipped version that nobody changed has neither author nor publisher."""

    number: int
    status: str
    digest: str
    author: Person | None
    publisher: Person | None
    created_at: datetime
    published_at: datetime | None


@dataclass(frozen=True, slots=True)
class Pinned:
    """A version of another playbook that runs as a part of this one. `digest` is over all that it runs, too."""

    playbook: str
    number: int
    digest: str


@dataclass(frozen=True, slots=True)
class VersionEvent:
    """What happened to a version. `by` is the name at the time, `verb` one of the audit log's.

    `reason` says why it was sent back, `adapted_from` the number of the version whose text it took.
    """

    at: datetime
    by: str
    verb: str
    meaning: str
    reason: str
    adapted_from: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionView(VersionRow):
    """`source` is the text as it was written, `document` what runs and what `digest` is over.

    `pins` are the versions of other playbooks that it runs, `closure_digest` is over these too; both are empty before
    it is published. `history` is oldest first. `may` are the moves that the person's roles allow: submit, publish,
    send_back, retire, adapt.
    """

    playbook: str
    title: str
    source: str
    document: Mapping[str, Any]
    pins: tuple[Pinned, ...]
    closure_digest: str
    history: tuple[VersionEvent, ...]
    may: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybookRow:
    """`published` is the number of the version in force. Runs are counted over all versions."""

    id: UUID
    slug: str
    title: str
    published: int | None
    latest: int | None
    created_at: datetime
    last_run_at: datetime | None
    runs_ended: int
    runs_succeeded: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybookView(PlaybookRow):
    """`versions` are newest first."""

    description: str
    inputs: Mapping[str, Any]
    versions: tuple[VersionRow, ...]
    may_write: bool
    may_publish: bool
    may_start: bool


def playbooks(person: Principal) -> QuerySet[Playbook]:
    """The playbooks that the person may see, by slug, with their figures and versions."""
    rows = access.visible(person, "see_playbook", Playbook.objects.all())
    versions = PlaybookVersion.objects.select_related("author", "publisher").order_by("-number")
    within = Q(versions__runs__case__in=access.within_reach(person, Case.objects.all()))
    ended = Count("versions__runs", filter=within & Q(versions__runs__status__in=RUN_ENDED))
    succeeded = Count("versions__runs", filter=within & Q(versions__runs__status=RunStatus.SUCCEEDED))
    last = Max("versions__runs__created_at", filter=within)
    figures = rows.annotate(runs_ended=ended, runs_succeeded=succeeded, last_run_at=last)
    return figures.prefetch_related(Prefetch("versions", versions.defer("source", "document"))).order_by(
        "slug"
    )


def texts(*, drafts: bool) -> Iterator[tuple[str, str]]:
    """(slug, text as it was written) of every version in force, or of the newest of every playbook."""
    rows = PlaybookVersion.objects.select_related("playbook").order_by("playbook__slug", "-number")
    if not drafts:
        rows = rows.filter(status=VersionStatus.PUBLISHED)
    last = ""
    for row in rows.only("source", "playbook__slug").iterator():
        if row.playbook.slug != last:
            last = row.playbook.slug
            yield last, row.source


def row(playbook: Playbook) -> PlaybookRow:
    return PlaybookRow(**_head(playbook))


def playbook_view(slug: str, person: Principal) -> PlaybookView | None:
    """None where there is no such playbook or the person may not know of it."""
    found = playbooks(person).filter(slug=slug).first()
    if found is None:
        return None
    versions = list(found.versions.all())
    shown = next((each for each in versions if each.status == VersionStatus.PUBLISHED), None) or versions[0]
    return PlaybookView(
        **_head(found),
        description=shown.document.get("description", ""),
        inputs=shown.document.get("inputs", {}),
        versions=tuple(version_row(each) for each in versions),
        may_write=access.may(person, "write_playbook", on=found),
        may_publish=access.may(person, "publish_playbook", on=found),
        may_start=access.may(person, "start_run"),
    )


def versions(slug: str, person: Principal) -> QuerySet[PlaybookVersion]:
    """The versions of a playbook, if the person may see it."""
    visible = access.visible(person, "see_playbook", Playbook.objects.all())
    rows = PlaybookVersion.objects.filter(playbook__in=visible, playbook__slug=slug)
    return rows.select_related("playbook", "author", "publisher")


def version_view(slug: str, number: int, person: Principal) -> VersionView | None:
    """None where there is no such version or the person may not know of it."""
    found = versions(slug, person).filter(number=number).first()
    if found is None:
        return None
    return VersionView(
        **_version_head(found),
        playbook=found.playbook.slug,
        title=found.document["title"],
        source=found.source,
        document=found.document,
        pins=pinned(found.pins),
        closure_digest=found.closure_digest,
        history=_history(found),
        may=_may(found, person),
    )


def pinned(pins: Pins) -> tuple[Pinned, ...]:
    return tuple(Pinned(slug, pin["number"], pin["digest"]) for slug, pin in pins.items())


def version_row(version: PlaybookVersion) -> VersionRow:
    return VersionRow(**_version_head(version))


def _may(version: PlaybookVersion, person: Principal) -> tuple[str, ...]:
    """The moves that follow and that the person's roles allow; duty rules may still forbid them."""
    writes, publishes = (
        access.may(person, each, on=version.playbook) for each in ("write_playbook", "publish_playbook")
    )
    status = version.status
    moves = {
        "submit": writes and status == VersionStatus.DRAFT,
        "publish": publishes and status == VersionStatus.IN_REVIEW,
        "send_back": (publishes or version.author == person) and status == VersionStatus.IN_REVIEW,
        "retire": publishes and status == VersionStatus.PUBLISHED,
        "adapt": writes,
    }
    return tuple(name for name, may in moves.items() if may)


def _history(version: PlaybookVersion) -> tuple[VersionEvent, ...]:
    """From the log: whoever may see the playbook may see who wrote, sent back and published its versions."""
    stream = Stream("playbook", str(version.playbook_id))
    rows = reading.entries(streams=[stream], subject=str(version.pk)).select_related("body")
    return tuple(_event(log.view(row)) for row in reversed(rows))


def _event(entry: log.EntryView) -> VersionEvent:
    return VersionEvent(
        at=entry.occurred_at,
        by=entry.actor.label,
        verb=entry.verb,
        meaning=entry.meaning,
        reason=entry.facts.get("reason", ""),
        adapted_from=entry.facts.get("adapted_from"),
    )


def _version_head(version: PlaybookVersion) -> dict[str, Any]:
    return {
        "number": version.number,
        "status": version.status,
        "digest": version.digest,
        "author": references.person(version.author),
        "publisher": references.person(version.publisher),
        "created_at": version.created_at,
        "published_at": version.published_at,
    }


def _head(playbook: Playbook) -> dict[str, Any]:
    versions = list(playbook.versions.all())
    in_force = (each.number for each in versions if each.status == VersionStatus.PUBLISHED)
    return {
        "id": playbook.pk,
        "slug": playbook.slug,
        "title": playbook.title,
        "published": next(in_force, None),
        "latest": versions[0].number if versions else None,
        "created_at": playbook.created_at,
        "last_run_at": playbook.last_run_at,  # type: ignore[attr-defined]  # annotated by `playbooks`
        "runs_ended": playbook.runs_ended,  # type: ignore[attr-defined]
        "runs_succeeded": playbook.runs_succeeded,  # type: ignore[attr-defined]
    }


def published_with(kind: str) -> tuple[str, ...]:
    """The slugs of the playbooks whose version in force has a step of this kind, on any level."""
    versions = PlaybookVersion.objects.filter(status=VersionStatus.PUBLISHED).select_related("playbook")
    return tuple(
        version.playbook.slug
        for version in versions.order_by("playbook__slug")
        if any(place.step.kind == kind for place in placed(Document.model_validate(version.document)))
    )
