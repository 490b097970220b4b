"""Playbooks and the life of their versions: draft, in review (and back), published, retired."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from playbooks import access, audit
from playbooks.audit import Actor, Entry, Stream, Subject
from playbooks.domain.canonical import digest
from playbooks.domain.check import check
from playbooks.domain.duties import Denial
from playbooks.domain.pins import closure_digest
from playbooks.domain.playbook import Playbook as Document
from playbooks.domain.playbook import document
from playbooks.domain.statuses import VersionStatus
from playbooks.domain.verbs import Verb
from playbooks.models import Playbook, PlaybookVersion, Principal
from playbooks.operations.actions import actions
from playbooks.operations.authors import authors_of
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.moves import move
from playbooks.operations.pins import pins_now
from playbooks.operations.refusals import Invalid, Missing, Refused, Unsound, no_permission

PUBLISHER_IS_AUTHOR = Denial(
    "publisher_is_author", "You wrote this version (or a change in it), so somebody else has to publish it."
)

LONGEST_REASON = 2000


def draft(text: str, *, caller: Caller, slug: str = "") -> PlaybookVersion:
    """Stores `text` as the next draft of the playbook that it names.

    `slug` is the playbook to which it has to belong, where the caller says so. Raises Unsound with every problem
    of the text, Invalid when it names another playbook, Refused without the permission.
    """
    caller.require("write_playbook", "write playbooks", of=Playbook)
    with transaction.atomic(durable=True):
        _require_own(_sound(text).playbook, caller)
        return _draft(text, author=caller.principal, actor=caller.actor, slug=slug, now=timezone.now())


def take_in(text: str, *, author: Principal, origin: str) -> PlaybookVersion | None:
    """Stores the text of a file as a draft by `author`; None where the newest version, or the one in force, has it.

    `origin` is where the file was. It is a draft like others: review and publishing are up to people. Raises Unsound,
    and Refused where the author may not write playbooks.
    """
    if not access.may(author, "write_playbook"):
        raise Refused(Denial("no_permission", f"{author} may not write playbooks."))
    slug = _sound(text).playbook
    with transaction.atomic(durable=True):
        if is_current(slug, text):
            return None
        facts = {"author": str(author), "origin": origin[:LONGEST_REASON]}
        return _draft(text, author=author, actor=SYSTEM, now=timezone.now(), facts=facts)


def is_current(slug: str, text: str) -> bool:
    """Whether the newest version of the playbook, or the one in force, has this very text."""
    known = PlaybookVersion.objects.filter(playbook__slug=slug).order_by("-number")
    current = [known.first(), known.filter(status=VersionStatus.PUBLISHED).first()]
    return any(each is not None and each.source == text for each in current)


def adapt(slug: str, number: int, *, caller: Caller) -> PlaybookVersion:
    """Stores the text of any version, such as a retired one, as a new draft by the caller."""
    caller.require("write_playbook", "write playbooks", of=Playbook)
    with transaction.atomic(durable=True):
        version = _locked(slug, number)
        caller.require_on("write_playbook", version.playbook, _version_name(slug, number))
        facts = {"adapted_from": version.number}
        return _draft(
            version.source, author=caller.principal, actor=caller.actor, now=timezone.now(), facts=facts
        )


def submit(slug: str, number: int, *, caller: Caller) -> PlaybookVersion:
    """Sends a draft to review."""
    caller.require("write_playbook", "submit versions for review", of=Playbook)
    with transaction.atomic(durable=True):
        version = _locked(slug, number)
        caller.require_on("write_playbook", version.playbook, _version_name(slug, number))
        _require_move(version, VersionStatus.IN_REVIEW)
        if denial := _superseded(version):
            raise Refused(denial)
        return _moved(version, VersionStatus.IN_REVIEW, Verb.VERSION_SUBMITTED, caller.actor, timezone.now())


def send_back(slug: str, number: int, *, caller: Caller, reason: str) -> PlaybookVersion:
    """Makes a version in review a draft again: by somebody who may publish it, or by its own author.

    Raises Invalid without a reason: it is what the author goes on from.
    """
    reason = _reason(reason)
    with transaction.atomic(durable=True):
        version = _locked(slug, number)
        caller.require_within_reach(version.playbook, _version_name(slug, number))
        reviews = access.may(caller.principal, "publish_playbook", on=version.playbook)
        if not reviews and version.author_id != caller.principal.pk:
            raise no_permission("send back what somebody else wrote")
        _require_move(version, VersionStatus.DRAFT)
        facts = {"reason": reason}
        now = timezone.now()
        return _moved(version, VersionStatus.DRAFT, Verb.VERSION_SENT_BACK, caller.actor, now, facts)


def publish(slug: str, number: int, *, caller: Caller) -> PlaybookVersion:
    """Puts a reviewed version in force, with the playbooks that it runs pinned, and retires the one before.

    Never by an author of it. Raises Unsound where a step runs what cannot be run.
    """
    caller.require("publish_playbook", "publish playbooks", of=Playbook)
    with transaction.atomic(durable=True):
        version = _locked(slug, number)
        caller.require_on("publish_playbook", version.playbook, _version_name(slug, number))
        if denials := _publishing_denials(version, caller):
            raise Refused(*denials)
        now = timezone.now()
        for older in version.playbook.versions.filter(status=VersionStatus.PUBLISHED):
            _moved(older, VersionStatus.RETIRED, Verb.VERSION_RETIRED, caller.actor, now)
        return _put_in_force(version, caller.actor, now, publisher=caller.principal)


def publishing_denials(slug: str, number: int, *, caller: Caller) -> tuple[Denial, ...]:
    """The rules by which `publish` would refuse this person, as of now."""
    version = PlaybookVersion.objects.filter(playbook__slug=slug, number=number).first()
    return _publishing_denials(version, caller) if version else ()


def retire(slug: str, number: int, *, caller: Caller) -> PlaybookVersion:
    """Takes a version out of force. Runs that are under way stay on it."""
    caller.require("publish_playbook", "retire playbooks", of=Playbook)
    with transaction.atomic(durable=True):
        version = _locked(slug, number)
        caller.require_on("publish_playbook", version.playbook, _version_name(slug, number))
        _require_move(version, VersionStatus.RETIRED)
        return _moved(version, VersionStatus.RETIRED, Verb.VERSION_RETIRED, caller.actor, timezone.now())


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
        version = _draft(text, author=None, actor=SYSTEM, now=now)
        move(version, VersionStatus.IN_REVIEW)
        return _put_in_force(version, SYSTEM, now, publisher=None)


def _draft(
    text: str,
    *,
    author: Principal | None,
    actor: Actor,
    now: datetime,
    slug: str = "",
    facts: Mapping[str, Any] | None = None,
) -> PlaybookVersion:
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
        steps_digest=digest(body["steps"]),
        author=author,
        created_at=now,
    )
    audit.append(_entry(version, Verb.VERSION_DRAFTED, actor, now, facts))
    return version


def _require_own(slug: str, caller: Caller) -> None:
    """A playbook that is there already is changed by those within whose reach it is; any role may begin a new one."""
    there = Playbook.objects.filter(slug=slug).first()
    if there is not None:
        caller.require_on("write_playbook", there, f"playbook {slug}")
    else:
        caller.require("write_playbook", "write playbooks")


def _sound(text: str) -> Document:
    checked = check(text, actions())
    if checked.playbook is None or checked.problems:
        raise Unsound(checked.problems)
    return checked.playbook


def _put_in_force(
    version: PlaybookVersion, actor: Actor, now: datetime, *, publisher: Principal | None
) -> PlaybookVersion:
    """The version, published. The playbook keeps the title of what is in force."""
    pins = pins_now(version)
    closure = closure_digest(version.digest, pins)
    move(
        version,
        VersionStatus.PUBLISHED,
        publisher=publisher,
        published_at=now,
        pins=pins,
        closure_digest=closure,
    )
    Playbook.objects.filter(pk=version.playbook_id).update(title=version.document["title"])
    audit.append(
        _entry(version, Verb.VERSION_PUBLISHED, actor, now, {"pins": pins, "closure_digest": closure})
    )
    return version


def _moved(
    version: PlaybookVersion,
    status: VersionStatus,
    verb: Verb,
    actor: Actor,
    now: datetime,
    facts: Mapping[str, Any] | None = None,
) -> PlaybookVersion:
    move(version, status)
    audit.append(_entry(version, verb, actor, now, facts))
    return version


_BEFORE = {
    VersionStatus.DRAFT: VersionStatus.IN_REVIEW,
    VersionStatus.IN_REVIEW: VersionStatus.DRAFT,
    VersionStatus.PUBLISHED: VersionStatus.IN_REVIEW,
    VersionStatus.RETIRED: VersionStatus.PUBLISHED,
}
_WORDS = {
    VersionStatus.DRAFT: ("a draft", "sent back"),
    VersionStatus.IN_REVIEW: ("in review", "sent to review"),
    VersionStatus.PUBLISHED: ("published", "published"),
    VersionStatus.RETIRED: ("retired", "retired"),
}


def _publishing_denials(version: PlaybookVersion, caller: Caller) -> tuple[Denial, ...]:
    is_author = str(caller.principal.pk) in authors_of(version)
    rules = (
        PUBLISHER_IS_AUTHOR if is_author else None,
        _wrong_move(version, VersionStatus.PUBLISHED),
        _superseded(version),
    )
    return tuple(each for each in rules if each is not None)


def _require_move(version: PlaybookVersion, status: VersionStatus) -> None:
    if denial := _wrong_move(version, status):
        raise Refused(denial)


def _wrong_move(version: PlaybookVersion, status: VersionStatus) -> Denial | None:
    before = _BEFORE[status]
    if version.status == before:
        return None
    is_now = _WORDS[VersionStatus(version.status)][0]
    sentence = f"This version is {is_now}; only one that is {_WORDS[before][0]} can be {_WORDS[status][1]}."
    return Denial("version_status", sentence)


def _superseded(version: PlaybookVersion) -> Denial | None:
    """What was in force later is never put out of force by an older text, whose author did not know of it."""
    newer = version.playbook.versions.filter(published_at__isnull=False, number__gt=version.number)
    if not (last := newer.order_by("-number").first()):
        return None
    sentence = (
        f"Version {last.number}, which is newer, has been in force. To go back to what this one says, adapt it: "
        "that makes a new draft, which can be compared with what is in force."
    )
    return Denial("version_status", sentence)


def _reason(text: str) -> str:
    reason = text.strip()
    if not reason:
        raise Invalid([("/reason", "Say what has to change before this can be published.")])
    if len(reason) > LONGEST_REASON:
        raise Invalid([("/reason", f"A reason has at most {LONGEST_REASON:,} characters.")])
    return reason


def _locked(slug: str, number: int) -> PlaybookVersion:
    """Locks the playbook, then reads the version, so that two publishers follow each other."""
    playbook = Playbook.objects.select_for_update().filter(slug=slug).first()
    version = playbook and playbook.versions.filter(number=number).first()
    if not version:
        raise Missing(f"There is no {_version_name(slug, number)}.")
    return version


def _version_name(slug: str, number: int) -> str:
    return f"version {number} of a playbook {slug}"


def _entry(
    version: PlaybookVersion,
    verb: Verb,
    actor: Actor,
    now: datetime,
    facts: Mapping[str, Any] | None = None,
) -> Entry:
    about = {"playbook": version.playbook.slug, "version": version.number, "digest": version.digest}
    return Entry(
        stream=Stream("playbook", str(version.playbook_id)),
        verb=verb,
        actor=actor,
        subject=Subject("version", str(version.pk), str(version)),
        outcome="done",
        facts={**about, **(facts or {})},
        occurred_at=now,
    )
