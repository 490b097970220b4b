"""Policies and the life of their versions: draft, in review (and back), in force, retired.

Nothing is lowered by one person alone, and nothing at once: a version is put in force by somebody who wrote none of
it, a permit is agreed to by two, and what was replaced or retired is still asked for a day (see policy_rules.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from playbooks import audit
from playbooks.audit import Actor, Entry, Stream, Subject
from playbooks.domain.canonical import digest
from playbooks.domain.duties import Denial
from playbooks.domain.policies.document import LEAVES, Checked, check, document_of
from playbooks.domain.policies.document import Policy as Document
from playbooks.domain.statuses import VersionStatus
from playbooks.domain.verbs import Verb
from playbooks.models import Policy, PolicyVersion, Principal, Rota
from playbooks.operations.actions import actions
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.moves import move
from playbooks.operations.refusals import Invalid, Missing, Refused, Unsound

LONGEST_REASON = 2000
LONGEST_PERMIT = timedelta(days=92)
PUBLISHER_IS_AUTHOR = Denial(
    "publisher_is_author",
    "You wrote this policy (or a change in it), so somebody else has to put it in force.",
)
SECONDER_IS_AUTHOR = Denial(
    "publisher_is_author", "You wrote this permit (or a change in it), so two others have to agree to it."
)
SECONDER_PUBLISHES = Denial(
    "permit_takes_two", "You agreed to this permit already; somebody else has to put it in force."
)
NEEDS_A_SECOND = Denial(
    "permit_takes_two",
    "This lets things run before anybody looks at them, so two people agree to it beforehand.",
)
NO_PERMIT = Denial(
    "version_status",
    "Only what lets things run beforehand takes a second agreement; this can be put in force at once.",
)
SECONDED = Denial("version_status", "Somebody has agreed to this permit already; now it can be put in force.")
SAME_PERSON_RETIRES = Denial(
    "retirement_takes_two", "You asked for this policy to end, so somebody else has to confirm it."
)


def checked(text: str) -> Checked:
    """Every problem of a text, with the roles, the rotas and the actions that there are."""
    roles = Group.objects.values_list("name", flat=True)
    rotas = Rota.objects.values_list("slug", flat=True)
    return check(text, roles=roles, rotas=rotas, catalogue=actions())


def draft(text: str, *, caller: Caller, slug: str = "") -> PolicyVersion:
    """Stores `text` as the next draft of the policy that it names; `slug` is the one to which it has to belong.

    Raises Unsound with every problem, Invalid when it names another policy, Refused without the permission.
    """
    caller.require("write_policy", "write policies")
    with transaction.atomic(durable=True):
        return _draft(text, author=caller.principal, actor=caller.actor, slug=slug, now=timezone.now())


def adapt(slug: str, number: int, *, caller: Caller) -> PolicyVersion:
    """Stores the text of any version as a new draft by the caller."""
    caller.require("write_policy", "write policies")
    with transaction.atomic(durable=True):
        source, now = _locked(slug, number).source, timezone.now()
        return _draft(source, author=caller.principal, actor=caller.actor, now=now)


def submit(slug: str, number: int, *, caller: Caller) -> PolicyVersion:
    """Sends a draft to review."""
    caller.require("write_policy", "submit policies for review")
    with transaction.atomic(durable=True):
        version = _locked(slug, number)
        _require_none(_wrong_move(version, VersionStatus.IN_REVIEW), _superseded(version))
        return _moved(version, VersionStatus.IN_REVIEW, Verb.POLICY_SUBMITTED, caller.actor)


def send_back(slug: str, number: int, *, caller: Caller, reason: str) -> PolicyVersion:
    """Makes a version in review a draft again, without the agreement that it had. Raises Invalid without a reason."""
    reason = _reason(reason)
    with transaction.atomic(durable=True):
        version = _locked(slug, number)
        if version.author_id != caller.principal.pk:
            caller.require("publish_policy", "send back what somebody else wrote")
        _require_none(_wrong_move(version, VersionStatus.DRAFT))
        facts = {"reason": reason}
        return _moved(version, VersionStatus.DRAFT, Verb.POLICY_SENT_BACK, caller.actor, facts, seconder=None)


def second(slug: str, number: int, *, caller: Caller) -> PolicyVersion:
    """Agrees to a permit, before somebody else puts it in force."""
    caller.require("publish_policy", "agree to permits")
    with transaction.atomic(durable=True):
        version = _locked(slug, number)
        _require_none(
            None if is_leave(version) else NO_PERMIT,
            SECONDER_IS_AUTHOR if _is_author(version, caller) else None,
            _wrong_move(version, VersionStatus.PUBLISHED),
            SECONDED if version.seconder_id else None,
        )
        version.seconder = caller.principal
        version.save(update_fields=["seconder"])
        audit.append(_entry(version, Verb.POLICY_SECONDED, caller.actor, timezone.now()))
        return version


def publish(slug: str, number: int, *, caller: Caller) -> PolicyVersion:
    """Puts a reviewed version in force; the one before is retired, and asked for a day longer.

    Never by an author of it. Raises Unsound where it names a role or an action that there is no more.
    """
    caller.require("publish_policy", "put policies in force")
    with transaction.atomic(durable=True):
        version, now = _locked(slug, number), timezone.now()
        _require_none(*_publishing_denials(version, caller, now))
        _sound(version.source)
        return _put_in_force(version, caller.actor, now, publisher=caller.principal)


def publishing_denials(slug: str, number: int, *, caller: Caller) -> tuple[Denial, ...]:
    """The rules by which `publish` would refuse this person, as of now."""
    version = PolicyVersion.objects.filter(policy__slug=slug, number=number).first()
    return _publishing_denials(version, caller, timezone.now()) if version else ()


def retire(slug: str, number: int, *, caller: Caller, reason: str) -> PolicyVersion:
    """Takes a version out of force: one person asks for it, another one confirms. A permit ends at once.

    What it asked is asked for a day longer. Raises Invalid without a reason.
    """
    caller.require("publish_policy", "take policies out of force")
    reason = _reason(reason)
    with transaction.atomic(durable=True):
        version, now, facts = _locked(slug, number), timezone.now(), {"reason": reason}
        _require_none(_wrong_move(version, VersionStatus.RETIRED))
        if version.retirement_by_id is None and not is_leave(version):
            version.retirement_by = caller.principal
            version.save(update_fields=["retirement_by"])
            audit.append(_entry(version, Verb.POLICY_RETIREMENT_ASKED, caller.actor, now, facts))
            return version
        if version.retirement_by_id == caller.principal.pk:
            raise Refused(SAME_PERSON_RETIRES)
        return _moved(
            version, VersionStatus.RETIRED, Verb.POLICY_RETIRED, caller.actor, facts, retired_at=now
        )


def ship(text: str) -> PolicyVersion:
    """Installs a policy of the shipped set: in force, with neither author nor publisher. One that is there stays."""
    sound = _sound(text)
    with transaction.atomic(durable=True):
        known = PolicyVersion.objects.filter(policy__slug=sound.policy).order_by("-number").first()
        if known is not None:
            return known
        now = timezone.now()
        version = _draft(text, author=None, actor=SYSTEM, now=now)
        move(version, VersionStatus.IN_REVIEW)
        return _put_in_force(version, SYSTEM, now, publisher=None)


def authors_of(version: PolicyVersion) -> dict[str, str]:
    """The authors, {id: name}, of every change since the last version that was put in force."""
    earlier = PolicyVersion.objects.filter(
        policy=version.policy_id, number__lt=version.number, published_at__isnull=False
    )
    since = earlier.aggregate(last=Max("number"))["last"] or 0
    written = PolicyVersion.objects.filter(
        policy=version.policy_id, number__gt=since, number__lte=version.number, author__isnull=False
    )
    return {str(each.author_id): str(each.author) for each in written.select_related("author")}


def is_leave(version: PolicyVersion) -> bool:
    """Whether it lets things run before anybody is asked."""
    return not LEAVES.isdisjoint(version.document)


def _draft(
    text: str, *, author: Principal | None, actor: Actor, now: datetime, slug: str = ""
) -> PolicyVersion:
    sound = _sound(text)
    if slug and sound.policy != slug:
        raise Invalid([("/policy", f"The text is of the policy {sound.policy}, not of {slug}.")])
    policy, _ = Policy.objects.select_for_update().get_or_create(
        slug=sound.policy, defaults={"title": sound.title, "created_at": now}
    )
    body = document_of(sound)
    version = PolicyVersion.objects.create(
        policy=policy,
        number=(policy.versions.aggregate(last=Max("number"))["last"] or 0) + 1,
        source=text,
        document=body,
        digest=digest(body),
        author=author,
        created_at=now,
    )
    audit.append(_entry(version, Verb.POLICY_DRAFTED, actor, now))
    return version


def _sound(text: str) -> Document:
    found = checked(text)
    if found.policy is None:
        raise Unsound(found.problems, "policy")
    return found.policy


def _put_in_force(
    version: PolicyVersion, actor: Actor, now: datetime, *, publisher: Principal | None
) -> PolicyVersion:
    for older in version.policy.versions.filter(status=VersionStatus.PUBLISHED):
        _moved(older, VersionStatus.RETIRED, Verb.POLICY_RETIRED, actor, retired_at=now)
    move(version, VersionStatus.PUBLISHED, publisher=publisher, published_at=now)
    Policy.objects.filter(pk=version.policy_id).update(title=version.document["title"])
    audit.append(_entry(version, Verb.POLICY_PUBLISHED, actor, now, {"document": version.document}))
    return version


def _moved(
    version: PolicyVersion,
    status: VersionStatus,
    verb: Verb,
    actor: Actor,
    facts: Mapping[str, Any] | None = None,
    **columns: Any,
) -> PolicyVersion:
    move(version, status, **columns)
    audit.append(_entry(version, verb, actor, timezone.now(), facts))
    return version


def _publishing_denials(version: PolicyVersion, caller: Caller, now: datetime) -> tuple[Denial, ...]:
    is_second = version.seconder_id == caller.principal.pk
    rules = (
        PUBLISHER_IS_AUTHOR if _is_author(version, caller) else None,
        _wrong_move(version, VersionStatus.PUBLISHED),
        _superseded(version),
        NEEDS_A_SECOND if is_leave(version) and version.seconder_id is None else None,
        SECONDER_PUBLISHES if is_second else None,
        _lasts_too_long(version, now),
    )
    return tuple(each for each in rules if each is not None)


def _lasts_too_long(version: PolicyVersion, now: datetime) -> Denial | None:
    """Unlimited standing approval does not exist."""
    leave = version.document.get("permit") or version.document.get("provisional")
    if not leave or "until" not in leave:
        return None
    until = datetime.fromisoformat(leave["until"])
    if now < until <= now + LONGEST_PERMIT:
        return None
    days = LONGEST_PERMIT.days
    sentence = f"A permit ends in the future, {days} days from now at the latest. Write another moment."
    return Denial("permit_lasts_too_long", sentence)


def _is_author(version: PolicyVersion, caller: Caller) -> bool:
    return str(caller.principal.pk) in authors_of(version)


_BEFORE = {
    VersionStatus.DRAFT: VersionStatus.IN_REVIEW,
    VersionStatus.IN_REVIEW: VersionStatus.DRAFT,
    VersionStatus.PUBLISHED: VersionStatus.IN_REVIEW,
    VersionStatus.RETIRED: VersionStatus.PUBLISHED,
}
_WORDS = {
    VersionStatus.DRAFT: ("a draft", "sent back"),
    VersionStatus.IN_REVIEW: ("in review", "sent to review"),
    VersionStatus.PUBLISHED: ("in force", "put in force"),
    VersionStatus.RETIRED: ("retired", "retired"),
}


def _require_none(*denials: Denial | None) -> None:
    found = [each for each in denials if each is not None]
    if found:
        raise Refused(*found)


def _wrong_move(version: PolicyVersion, status: VersionStatus) -> Denial | None:
    before = _BEFORE[status]
    if version.status == before:
        return None
    is_now = _WORDS[VersionStatus(version.status)][0]
    sentence = f"This version is {is_now}; only one that is {_WORDS[before][0]} can be {_WORDS[status][1]}."
    return Denial("version_status", sentence)


def _superseded(version: PolicyVersion) -> Denial | None:
    """What was in force later is never put out of force by an older text, whose author did not know of it."""
    newer = version.policy.versions.filter(published_at__isnull=False, number__gt=version.number)
    if not newer.exists():
        return None
    sentence = "A newer version has been in force. To go back to what this one says, adapt it: that makes a new draft."
    return Denial("version_status", sentence)


def _reason(text: str) -> str:
    reason = text.strip()
    if not reason:
        raise Invalid([("/reason", "Say why, for those who read it in the log.")])
    if len(reason) > LONGEST_REASON:
        raise Invalid([("/reason", f"A reason has at most {LONGEST_REASON:,} characters.")])
    return reason


def _locked(slug: str, number: int) -> PolicyVersion:
    """Locks the policy, then reads the version, so that two publishers follow each other."""
    policy = Policy.objects.select_for_update().filter(slug=slug).first()
    version = policy and policy.versions.filter(number=number).first()
    if not version:
        raise Missing(f"There is no version {number} of a policy {slug}.")
    return version


def _entry(
    version: PolicyVersion,
    verb: Verb,
    actor: Actor,
    now: datetime,
    facts: Mapping[str, Any] | None = None,
) -> Entry:
    about = {"policy": version.policy.slug, "version": version.number, "digest": version.digest}
    return Entry(
        stream=Stream("policy", str(version.policy_id)),
        verb=verb,
        actor=actor,
        subject=Subject("policy", str(version.pk), str(version)),
        outcome="done",
        facts={**about, **(facts or {})},
        occurred_at=now,
    )
