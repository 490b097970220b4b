"""Playbooks and the life of their versions: draft, in review, published, retired."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from playbooks import audit
from playbooks.audit import Actor, Entry, Stream, Subject
from playbooks.domain.canonical import digest
from playbooks.domain.check import check
from playbooks.domain.duties import Denial
from playbooks.domain.playbook import Playbook as Document
from playbooks.domain.playbook import document
from playbooks.domain.problems import Problem
from playbooks.domain.statuses import VersionStatus
from playbooks.domain.verbs import Verb
from playbooks.models import Playbook, PlaybookVersion, Principal
from playbooks.operations.actions import actions
from playbooks.operations.authors import authors_of
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.moves import move
from playbooks.operations.refusals import Invalid, Missing, Refused

PUBLISHER_IS_AUTHOR = Denial(
    "publisher_is_author", "You wrote this version (or a change in it), so somebody else has to publish it."
)


class Unsound(Exception):
    """The text is no playbook. `problems` has each with its line and column."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__(f"The playbook has {len(problems)} problems.")


def draft(text: str, *, caller: Caller, slug: str = "") -> PlaybookVersion:
    """Stores `text` as the next draft of the playbook that it names.

    `slug` is the playbook to which it has to belong, where the caller says so. Raises Unsound with every problem
    of the text, Invalid when it names another playbook, Refused without the permission.
    """
    caller.require("write_playbook", "write playbooks")
    with transaction.atomic(durable=True):
        return _draft(text, author=caller.principal, actor=caller.actor, slug=slug, now=timezone.now())


def submit(slug: str, number: int, *, caller: Caller) -> PlaybookVersion:
    """Sends a draft to review."""
    caller.require("write_playbook", "submit versions for review")
    return _govern(slug, number, VersionStatus.IN_REVIEW, Verb.VERSION_SUBMITTED, caller)


def publish(slug: str, number: int, *, caller: Caller) -> PlaybookVersion:
    """Puts a reviewed version in force and retires the one before. Never by an author of it."""
    caller.require("publish_playbook", "publish playbooks")
    return _govern(slug, number, VersionStatus.PUBLISHED, Verb.VERSION_PUBLISHED, caller)


def retire(slug: str, number: int, *, caller: Caller) -> PlaybookVersion:
    """Takes a version out of force. Runs that are under way stay on it."""
    caller.require("publish_playbook", "retire playbooks")
    return _govern(slug, number, VersionStatus.RETIRED, Verb.VERSION_RETIRED, caller)


def ship(text: str) -> PlaybookVersion:
    """Installs a playbook of the shipped library: published, with neither author nor publisher.

    A library playbook that is there already stays as it is; its newest version is returned.
    """
    slug = _sound(text).playbook
    with transaction.atomic(durable=True):
        known = PlaybookVersion.objects.filter(playbook__slug=slug).order_by("-number").first()
        if known is not None:
            return known
        now = timezone.now()
        version = _draft(text, author=None, actor=SYSTEM, slug="", now=now)
        move(version, VersionStatus.IN_REVIEW)
        move(version, VersionStatus.PUBLISHED, published_at=now)
        audit.append(_entry(version, Verb.VERSION_PUBLISHED, SYSTEM, now))
    return version


def _draft(text: str, *, author: Principal | None, actor: Actor, slug: str, now: datetime) -> PlaybookVersion:
    sound = _sound(text)
    if slug and sound.playbook != slug:
        raise Invalid([("/playbook", f"The text is of the playbook {sound.playbook}, not of {slug}.")])
    playbook, _ = Playbook.objects.select_for_update().get_or_create(
        slug=sound.playbook, defaults={"title": sound.title, "created_at": now}
    )
    body = document(sound)
    version = PlaybookVersion.objects.create(
        playbook=playbook,
        number=(playbook.versions.aggregate(last=Max("number"))["last"] or 0) + 1,
        source=text,
        document=body,
        digest=digest(body),
        author=author,
        created_at=now,
    )
    audit.append(_entry(version, Verb.VERSION_DRAFTED, actor, now))
    return version


def _sound(text: str) -> Document:
    checked = check(text, actions())
    if checked.playbook is None or checked.problems:
        raise Unsound(checked.problems)
    return checked.playbook


def _govern(slug: str, number: int, status: VersionStatus, verb: Verb, caller: Caller) -> PlaybookVersion:
    with transaction.atomic(durable=True):
        version = _locked(slug, number)
        now = timezone.now()
        columns = _publish(version, caller, now) if status is VersionStatus.PUBLISHED else {}
        _require_move(version, status)
        move(version, status, **columns)
        audit.append(_entry(version, verb, caller.actor, now))
    return version


def _publish(version: PlaybookVersion, caller: Caller, now: datetime) -> dict[str, object]:
    if str(caller.principal.pk) in authors_of(version):
        raise Refused(PUBLISHER_IS_AUTHOR)
    _require_move(version, VersionStatus.PUBLISHED)
    for older in version.playbook.versions.filter(status=VersionStatus.PUBLISHED):
        move(older, VersionStatus.RETIRED)
        audit.append(_entry(older, Verb.VERSION_RETIRED, caller.actor, now))
    return {"publisher": caller.principal, "published_at": now}


def _require_move(version: PlaybookVersion, status: VersionStatus) -> None:
    before = {
        VersionStatus.IN_REVIEW: VersionStatus.DRAFT,
        VersionStatus.PUBLISHED: VersionStatus.IN_REVIEW,
        VersionStatus.RETIRED: VersionStatus.PUBLISHED,
    }[status]
    if version.status != before:
        raise Refused(
            Denial(
                "version_status",
                f"This version is {version.status}; only one that is {before} can be {status}.",
            )
        )


def _locked(slug: str, number: int) -> PlaybookVersion:
    """Locks the playbook, then reads the version, so that two publishers follow each other."""
    playbook = Playbook.objects.select_for_update().filter(slug=slug).first()
    version = playbook and playbook.versions.filter(number=number).first()
    if not version:
        raise Missing(f"There is no version {number} of a playbook {slug}.")
    return version


def _entry(version: PlaybookVersion, verb: Verb, actor: Actor, now: datetime) -> Entry:
    return Entry(
        stream=Stream("playbook", str(version.playbook_id)),
        verb=verb,
        actor=actor,
        subject=Subject("version", str(version.pk), str(version)),
        outcome="done",
        facts={"playbook": version.playbook.slug, "version": version.number, "digest": version.digest},
        occurred_at=now,
    )
