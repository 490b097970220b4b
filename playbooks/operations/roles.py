"""Roles: given to people and taken from them, and made, changed and ended where they are the installation's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import Group, Permission
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from playbooks import audit
from playbooks.audit import Actor, Entry, Stream, Subject
from playbooks.domain.duties import Denial
from playbooks.domain.roles import PERMISSIONS, ROLES
from playbooks.domain.verbs import Verb
from playbooks.models import CustomRole, Membership, Principal
from playbooks.operations import people, stepup
from playbooks.operations.caller import Caller
from playbooks.operations.refusals import Invalid, Missing, Refused
from playbooks.operations.rights import (
    Blocked,
    Watch,
    open_requests,
    person_named,
    require_giver,
    require_proof,
    told,
)
from playbooks.operations.teams import SLUG

BUILT_IN = Denial("role_built_in", "This role is built in and stays as it is. Make one of your own.")
ENDED = Denial("role_ended", "This role has ended. Make another one.")


def give(username: str, role: str, *, caller: Caller) -> None:
    """Gives a person a role; who holds it already keeps it as it was. Nobody gives one to themselves, and it takes a
    proof of the last five minutes.
    """
    caller.require("manage_people", "give roles")
    with transaction.atomic(durable=True):
        person = person_named(username)
        proof, by, now = require_giver(caller, [person.pk]), caller.principal, timezone.now()
        people.grant_within(person, role, actor=caller.actor, granted_by=by, now=now, proof=proof)


def take(username: str, role: str, *, caller: Caller) -> tuple[Blocked, ...]:
    """Takes a role from a person. Returns the open requests that nobody can grant any more."""
    caller.require("manage_people", "take roles")
    with transaction.atomic(durable=True):
        person = person_named(username)
        watch = Watch(open_requests(seats__role=role))
        by = caller.principal
        people.revoke_within(person, role, actor=caller.actor, ended_by=by, now=timezone.now())
        return watch.blocked()


def deactivate(username: str, *, caller: Caller) -> tuple[Blocked, ...]:
    """Ends a person's access. Returns the open requests that nobody can grant any more."""
    caller.require("manage_people", "deactivate people")
    with transaction.atomic(durable=True):
        person = person_named(username)
        held = Membership.objects.filter(principal=person).values_list("group__name", flat=True)
        watch = Watch(open_requests(seats__role__in=list(held)))
        people.deactivate_within(person, actor=caller.actor, now=timezone.now())
        return watch.blocked()


def create_person(
    username: str, *, caller: Caller, name: str, password: str, roles: Sequence[str]
) -> Principal:
    """A new person with roles, which the caller gives: that takes a proof of the last five minutes.

    Raises Refused, and Invalid for a bad password and a name that is taken.
    """
    caller.require("manage_people", "make people")
    try:
        validate_password(password)
    except ValidationError as error:
        raise Invalid([("/password", " ".join(error.messages))]) from None
    with transaction.atomic(durable=True):
        return people.create_within(
            username,
            actor=caller.actor,
            name=name,
            password=password,
            roles=roles,
            now=timezone.now(),
            granted_by=caller.principal,
            proof=require_proof(caller) if roles else None,
        )


def create(slug: str, *, caller: Caller, title: str, permissions: Sequence[str]) -> CustomRole:
    """A role of the installation's own; one that is there with the same is returned as it is.

    It permits what some built-in role permits. No permission is a right to approve: seats are by the role's slug.
    """
    caller.require("manage_people", "make roles")
    if not SLUG.fullmatch(slug) or len(slug) > 64:
        raise Invalid([("/slug", "A slug has small letters, digits and single hyphens, at most 64.")])
    title, wanted = _title(title), _known(permissions)
    with transaction.atomic(durable=True):
        there = CustomRole.objects.select_related("group").filter(group__name=slug).first()
        if (
            there is not None
            and there.ended_at is None
            and (there.title, permitted(there)) == (title, wanted)
        ):
            return there
        if Group.objects.filter(name=slug).exists():
            raise Invalid([("/slug", f"The slug {slug} was given before; choose another one.")])
        now, group = timezone.now(), Group.objects.create(name=slug)
        role = CustomRole.objects.create(
            group=group, title=title, created_by=caller.principal, created_at=now
        )
        _permit(group, wanted)
        facts = {"title": title, "permissions": sorted(wanted)}
        audit.append(_entry(role, Verb.ROLE_CREATED, caller.actor, now, facts))
    return role


def change(slug: str, *, caller: Caller, title: str, permissions: Sequence[str]) -> CustomRole:
    """What the role is called and permits from here on. Nobody adds to a role that they hold, and adding takes a proof
    of the last five minutes.
    """
    caller.require("manage_people", "change roles")
    title, wanted = _title(title), _known(permissions)
    with transaction.atomic(durable=True):
        role, now = _own(slug), timezone.now()
        before = {"title": role.title, "permissions": sorted(permitted(role))}
        after = {"title": title, "permissions": sorted(wanted)}
        if before == after:
            return role
        added = wanted - permitted(role)
        proof = stepup.told(require_giver(caller, _holders(role))) if added else {}
        CustomRole.objects.filter(pk=role.pk).update(title=title)
        role.title = title
        _permit(role.group, wanted)
        facts = {**after, "before": before, **proof}
        audit.append(_entry(role, Verb.ROLE_CHANGED, caller.actor, now, facts))
    return role


def end(slug: str, *, caller: Caller) -> tuple[Blocked, ...]:
    """Nobody holds the role any more, and it permits nothing. Requests that need it stay, and wait.

    Returns the open requests that nobody can grant any more.
    """
    caller.require("manage_people", "end roles")
    with transaction.atomic(durable=True):
        role, now = _own(slug), timezone.now()
        watch = Watch(open_requests(seats__role=slug))
        ended = {"ended_at": now, "ended_by": caller.principal}
        holders = Membership.objects.filter(group=role.group).update(**ended)
        CustomRole.objects.filter(pk=role.pk).update(**ended)
        _permit(role.group, frozenset())
        blocked = watch.blocked()
        facts = {"holders": holders, **told(blocked)}
        audit.append(_entry(role, Verb.ROLE_ENDED, caller.actor, now, facts))
    return blocked


def permitted(role: CustomRole) -> frozenset[str]:
    return frozenset(role.group.permissions.values_list("codename", flat=True))


def _own(slug: str) -> CustomRole:
    """The role, locked. Raises Refused for a built-in one and for one that has ended, Missing for an unknown one."""
    if slug in ROLES:
        raise Refused(BUILT_IN)
    role = (
        CustomRole.objects.select_for_update(of=("self",))
        .select_related("group")
        .filter(group__name=slug)
        .first()
    )
    if role is None:
        raise Missing(f"There is no role {slug}.")
    if role.ended_at is not None:
        raise Refused(ENDED)
    return role


def _holders(role: CustomRole) -> list[UUID]:
    return list(Membership.objects.filter(group=role.group).values_list("principal", flat=True))


def _permit(group: Group, permissions: frozenset[str]) -> None:
    known = Permission.objects.filter(content_type__app_label="playbooks", codename__in=permissions)
    group.permissions.set(known)


def _known(permissions: Sequence[str]) -> frozenset[str]:
    unknown = sorted(set(permissions) - PERMISSIONS)
    if unknown:
        raise Invalid([("/permissions", f"There is no permission {', '.join(unknown)}.")])
    return frozenset(permissions)


def _title(text: str) -> str:
    title = " ".join(text.split())
    if not title or len(title) > 120:
        raise Invalid([("/title", "A role has a title of at most 120 characters.")])
    return title


def _entry(role: CustomRole, verb: Verb, actor: Actor, now: datetime, facts: Mapping[str, object]) -> Entry:
    slug = role.group.name
    return Entry(
        stream=Stream("role", slug),
        verb=verb,
        actor=actor,
        subject=Subject("role", slug, role.title),
        outcome="done",
        facts={"role": slug, **facts},
        occurred_at=now,
    )
