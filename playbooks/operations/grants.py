"""Rights on one object: given to a person or a role, for a reason, until a moment or until they are taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from playbooks import access, audit
from playbooks.access.grants import GRANTS, GrantToPerson, GrantToRole
from playbooks.audit import Entry
from playbooks.domain.verbs import Verb
from playbooks.models import Case, Connection, Membership, Playbook, Principal, Source
from playbooks.operations import stepup
from playbooks.operations.caller import Caller
from playbooks.operations.objects import Owned, kind_of, object_named, requests_about, stream_of, subject_of
from playbooks.operations.refusals import Invalid, Missing
from playbooks.operations.rights import Blocked, Watch, person_named, reason_of, require_giver, told

Grant = GrantToPerson | GrantToRole

# What can be given on one object. No right to decide is among them: seats are by role alone.
PERMISSIONS: Mapping[type[Owned], tuple[str, ...]] = {
    Case: ("see_case", "work_case"),
    Playbook: ("see_playbook", "write_playbook", "publish_playbook"),
    Connection: ("see_connection", "manage_connection"),
    Source: ("manage_source",),
}


@dataclass(frozen=True, slots=True)
class To:
    """Who gets a right: a person by username, or a role by slug; exactly one of them."""

    person: str = ""
    role: str = ""


def give(
    kind: str,
    key: str,
    *,
    caller: Caller,
    to: To,
    permission: str,
    reason: str,
    until: datetime | None = None,
) -> Grant:
    """Gives a right on one object. One that is in force until the same moment stays; else the new one replaces it.

    By whoever manages people, on a case also by those who work on it. Nobody gives to themselves, or to a role that
    they hold, and giving takes a proof of the last five minutes. Raises Refused, Invalid for what cannot be given,
    Missing and Hidden.
    """
    reason = reason_of(reason)
    with transaction.atomic(durable=True):
        row, now = object_named(kind, key, caller=caller), timezone.now()
        _require_right(caller, row)
        if until is not None and until <= now:
            raise Invalid([("/until", "This moment is over.")])
        right = _right(row, to, permission)
        proof = require_giver(caller, right.beneficiaries)
        there = right.not_ended().first()
        if there is not None and there.expires_at == until:
            return cast("Grant", there)
        right.end(now, caller.principal)
        grant = right.begin(now, caller.principal, reason, until)
        until_when = until.isoformat() if until else None
        facts = {"reason": reason, "until": until_when, **stepup.told(proof)}
        audit.append(_entry(row, right, Verb.GRANT_GIVEN, caller, now, facts))
    return grant


def take(kind: str, key: str, *, caller: Caller, to: To, permission: str) -> tuple[Blocked, ...]:
    """Takes a right back. Returns the open requests that nobody can grant any more. Raises Missing for no right."""
    with transaction.atomic(durable=True):
        row, now = object_named(kind, key, caller=caller), timezone.now()
        _require_right(caller, row)
        right = _right(row, to, permission)
        if not right.in_force().exists():
            raise Missing("There is no such right to take.")
        watch = Watch(requests_about(row))
        right.end(now, caller.principal)
        blocked = watch.blocked()
        audit.append(_entry(row, right, Verb.GRANT_TAKEN, caller, now, told(blocked)))
    return blocked


def name_within(case: Case, person: Principal, *, by: Principal, reason: str, now: datetime) -> None:
    """Lets the person see the case, in the caller's transaction, which says so in the log."""
    right = _right(case, To(person=person.username), "see_case")
    if not right.in_force().exists():
        right.end(now, by)
        right.begin(now, by, reason, None)


@dataclass(frozen=True, slots=True)
class _Right:
    """One permission on one object for one person or role; `to` are the columns that name them."""

    table: type[Grant]
    to: Mapping[str, Any]
    permission: Permission
    row: Owned
    beneficiaries: tuple[UUID, ...]
    label: str

    @property
    def _columns(self) -> dict[str, Any]:
        return {**self.to, "permission": self.permission, "content_object": self.row}

    def in_force(self) -> QuerySet[Any]:
        return self.table.objects.filter(**self._columns)

    def not_ended(self) -> QuerySet[Any]:
        """With one whose time is over, which nobody has taken."""
        return self.table.history.filter(**self._columns, ended_at__isnull=True)

    def begin(self, now: datetime, by: Principal, reason: str, until: datetime | None) -> Grant:
        terms = {"granted_by": by, "granted_at": now, "reason": reason, "expires_at": until}
        made: Grant = self.table.history.create(**self._columns, **terms)
        return made

    def end(self, now: datetime, by: Principal) -> None:
        over = self.not_ended().filter(expires_at__lte=now)
        over.update(ended_at=F("expires_at"))
        self.not_ended().update(ended_at=now, ended_by=by)


def _right(row: Owned, to: To, permission: str) -> _Right:
    known = PERMISSIONS[type(row)]
    if permission not in known:
        raise Invalid([("/permission", f"What can be given on a {kind_of(row)} is {', '.join(known)}.")])
    which = Permission.objects.get(content_type__app_label="playbooks", codename=permission)
    tables = GRANTS[type(row)]
    if bool(to.person) == bool(to.role):
        raise Invalid([("/to", "Name a person or a role, not both.")])
    if to.person:
        person = person_named(to.person)
        return _Right(tables.to_person, {"user": person}, which, row, (person.pk,), str(person))
    role = Group.objects.filter(name=to.role).first()
    if role is None:
        raise Missing(f"There is no role {to.role}.")
    holders = tuple(Membership.objects.filter(group=role).values_list("principal", flat=True))
    return _Right(tables.to_role, {"group": role}, which, row, holders, role.name)


def _require_right(caller: Caller, row: Owned) -> None:
    """Within reach the object is already. Whoever works on a case says who else may."""
    if isinstance(row, Case) and access.may(caller.principal, "work_case", on=row):
        return
    caller.require("manage_people", "give or take rights")


def _entry(
    row: Owned, right: _Right, verb: Verb, caller: Caller, now: datetime, facts: Mapping[str, object]
) -> Entry:
    kind = "person" if "user" in right.to else "role"
    about = {"permission": right.permission.codename, "to": right.label, "to_kind": kind}
    return Entry(
        stream=stream_of(row),
        verb=verb,
        actor=caller.actor,
        subject=subject_of(row),
        outcome="done",
        facts={**about, "to_id": str(right.beneficiaries[0]) if kind == "person" else right.label, **facts},
        occurred_at=now,
    )
