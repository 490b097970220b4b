"""People, their roles, API tokens, and alert sources."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from playbooks import audit
from playbooks.audit import Actor, Entry, Stream, Subject
from playbooks.domain.verbs import Verb
from playbooks.models import Membership, Principal, PrincipalKind, Session, Source, StepUp, Token
from playbooks.operations import stepup
from playbooks.operations.refusals import Invalid, Missing
from playbooks.operations.statements import fetch, key

SCOPES = frozenset({"read", "ingest", "runs", "cases", "author"})
DEFAULT_DAYS = 90


def create(
    username: str,
    *,
    actor: Actor,
    name: str,
    password: str | None,
    roles: Sequence[str] = (),
    kind: PrincipalKind = PrincipalKind.PERSON,
    is_superuser: bool = False,
    owner: Principal | None = None,
) -> Principal:
    """A new person or service account with roles. Raises Invalid when the username is taken.

    A service account needs the person who answers for it as its `owner`.
    """
    with transaction.atomic(durable=True):
        return create_within(
            username,
            actor=actor,
            name=name,
            password=password,
            roles=roles,
            kind=kind,
            is_superuser=is_superuser,
            owner=owner,
            now=timezone.now(),
        )


def create_within(
    username: str,
    *,
    actor: Actor,
    name: str,
    password: str | None,
    roles: Sequence[str],
    now: datetime,
    kind: PrincipalKind = PrincipalKind.PERSON,
    is_superuser: bool = False,
    owner: Principal | None = None,
    granted_by: Principal | None = None,
    proof: StepUp | None = None,
) -> Principal:
    """`create`, in the caller's transaction. `granted_by` is who gives the roles, by which `proof`."""
    person = Principal(username=username, name=name, kind=kind, is_superuser=is_superuser, owner=owner)
    _check_owner(person)
    person.set_password(password)
    _insert(person)
    facts: dict[str, object] = {"username": username, "kind": kind.value, "superuser": is_superuser}
    if owner is not None:
        facts["owner"] = owner.username
    audit.append(_entry(person, Verb.PERSON_CREATED, actor, now, facts))
    for role in roles:
        grant_within(person, role, actor=actor, granted_by=granted_by, now=now, proof=proof)
    return person


def _check_owner(account: Principal) -> None:
    owner = account.owner
    if account.is_person and owner is not None:
        raise Invalid([("/owner", "A person answers for themselves: only a service account has an owner.")])
    if not account.is_person and (owner is None or not owner.is_person or not owner.is_active):
        raise Invalid([("/owner", "A service account needs an owner: an active person who answers for it.")])


def _insert(person: Principal) -> None:
    try:
        with transaction.atomic():
            person.save(force_insert=True)
    except IntegrityError:
        raise Invalid([("/username", f"There is an account {person.username} already.")]) from None


def grant(person: Principal, role: str, *, actor: Actor, granted_by: Principal | None) -> None:
    """Gives a role. Who holds it already keeps it as it was."""
    with transaction.atomic(durable=True):
        grant_within(person, role, actor=actor, granted_by=granted_by, now=timezone.now())


def revoke(person: Principal, role: str, *, actor: Actor) -> None:
    """Takes a role back; approvals that relied on it no longer count at the claim."""
    with transaction.atomic(durable=True):
        revoke_within(person, role, actor=actor, ended_by=None, now=timezone.now())


def grant_within(
    person: Principal,
    role: str,
    *,
    actor: Actor,
    granted_by: Principal | None,
    now: datetime,
    is_of_directory: bool = False,
    proof: StepUp | None = None,
) -> None:
    """`grant`, in the caller's transaction. What a directory gave counts for no decision on the same day.

    `proof` is that of whoever gives; a directory and a command have none.
    """
    group = Group.objects.filter(name=role, custom__ended_at__isnull=True).first()
    if group is None:
        raise Missing(f"There is no role {role}.")
    terms = {"granted_by": granted_by, "granted_at": now, "is_of_directory": is_of_directory}
    _, is_new = Membership.objects.get_or_create(principal=person, group=group, defaults=terms)
    if is_new:
        facts: dict[str, object] = {"role": role, "directory": is_of_directory}
        facts |= stepup.told(proof) if proof else {}
        audit.append(_entry(person, Verb.ROLE_GRANTED, actor, now, facts))


def revoke_within(
    person: Principal, role: str, *, actor: Actor, ended_by: Principal | None, now: datetime
) -> None:
    """`revoke`, in the caller's transaction. The row stays, ended, so that what it made possible can be read."""
    held = Membership.objects.filter(principal=person, group__name=role)
    if not held.update(ended_at=now, ended_by=ended_by):
        raise Missing(f"{person} does not hold the role {role}.")
    audit.append(_entry(person, Verb.ROLE_REVOKED, actor, now, {"role": role}))


def set_email(person: Principal, email: str, *, actor: Actor) -> None:
    """Where mail for the person goes; empty for nowhere. Raises Invalid."""
    try:
        validate_email(email or "nobody@example.org")
    except ValidationError:
        raise Invalid([("/email", f"{email[:254]} is no mail address.")]) from None
    with transaction.atomic(durable=True):
        Principal.objects.filter(pk=person.pk).update(email=email)
        audit.append(_entry(person, Verb.PERSON_CHANGED, actor, timezone.now(), {"email": email}))


def take_password(person: Principal, *, actor: Actor) -> None:
    """Takes the person's password away, and ends their sessions: from now on they sign in by a passkey, a provider or
    a directory.
    """
    person.set_unusable_password()
    with transaction.atomic(durable=True):
        Principal.objects.filter(pk=person.pk).update(password=person.password)
        ended, _ = Session.objects.filter(principal=person).delete()
        facts: dict[str, object] = {"password": False, "sessions": ended}
        audit.append(_entry(person, Verb.PASSWORD_CHANGED, actor, timezone.now(), facts))


def deactivate(person: Principal, *, actor: Actor) -> None:
    """Ends a person's access: sessions and tokens at once, and the tokens of the service accounts that they own.

    The row stays, since evidence refers to it.
    """
    with transaction.atomic(durable=True):
        deactivate_within(person, actor=actor, now=timezone.now())


def deactivate_within(person: Principal, *, actor: Actor, now: datetime) -> None:
    """`deactivate`, in the caller's transaction."""
    Principal.objects.filter(pk=person.pk).update(is_active=False)
    ended, _ = Session.objects.filter(principal=person).delete()
    owned = Q(principal=person) | Q(principal__owner=person)
    revoked = Token.objects.filter(owned, revoked_at=None).update(revoked_at=now)
    facts: dict[str, object] = {"active": False, "sessions": ended, "tokens": revoked}
    audit.append(_entry(person, Verb.PERSON_CHANGED, actor, now, facts))


def issue_token(
    person: Principal,
    *,
    actor: Actor,
    scopes: Sequence[str],
    days: int = DEFAULT_DAYS,
    created_by: Principal | None = None,
    proof: StepUp | None = None,
) -> str:
    """A new token of a principal. The text is returned once; only its SHA-256 is kept.

    `proof` is that of the person `created_by`; a command has none.
    """
    unknown = sorted(set(scopes) - SCOPES)
    if unknown or not scopes:
        raise Invalid(
            [("/scopes", f"Scopes are {', '.join(sorted(SCOPES))}; not {', '.join(unknown) or 'none'}.")]
        )
    return _issue(actor, scopes=scopes, days=days, principal=person, created_by=created_by, proof=proof)


def issue_source_token(source: Source, *, actor: Actor, days: int = 365) -> str:
    """A new token with which a source may post alerts and do nothing else."""
    return _issue(actor, scopes=["ingest"], days=days, source=source)


def revoke_token(prefix: str, *, actor: Actor) -> int:
    """Takes every token in force that begins so out of force; how many those were. Raises Missing for none."""
    with transaction.atomic(durable=True):
        now = timezone.now()
        rows = list(Token.objects.select_for_update().filter(prefix=prefix, revoked_at=None))
        if not rows:
            raise Missing(f"No token in force begins with {prefix}.")
        Token.objects.filter(pk__in=[row.pk for row in rows]).update(revoked_at=now)
        audit.append(*(token_entry(row, Verb.TOKEN_REVOKED, actor, now, {}) for row in rows))
    return len(rows)


def token_in_force(text: str) -> Token | None:
    """The token with this text, with its principal or source; None for one that is unknown, expired or revoked."""
    found = fetch(
        Token,
        "digest = %s AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > %s)",
        [token_digest(text), connection.ops.adapt_datetimefield_value(timezone.now())],
    )
    for token in found:
        if token.source_id is not None:
            token.source = fetch(Source, "id = %s", [key(Source, token.source_id)])[0]
        if token.principal_id is not None:
            token.principal = fetch(Principal, "id = %s", [key(Principal, token.principal_id)])[0]
    return found[0] if found else None


def note_use(token: Token) -> None:
    """Writes down that the token was used, to the minute."""
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at < now - timedelta(minutes=1):
        Token.objects.filter(pk=token.pk).update(last_used_at=now)


def create_source(slug: str, *, kind: str, actor: Actor) -> Source:
    """A new source; one that is there already is returned as it is. Raises Invalid when that is of another kind."""
    with transaction.atomic(durable=True):
        now = timezone.now()
        source, is_new = Source.objects.get_or_create(slug=slug, defaults={"kind": kind, "created_at": now})
        if source.kind != kind:
            raise Invalid(
                [("/kind", f"The source {slug} is of the kind {source.kind}; give a new one another name.")]
            )
        if is_new:
            audit.append(
                Entry(
                    stream=Stream("source", str(source.pk)),
                    verb=Verb.SOURCE_CREATED,
                    actor=actor,
                    subject=Subject("source", str(source.pk), slug),
                    outcome="done",
                    facts={"slug": slug, "kind": kind},
                    occurred_at=now,
                )
            )
    return source


def token_digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _issue(
    actor: Actor,
    *,
    scopes: Sequence[str],
    days: int,
    principal: Principal | None = None,
    source: Source | None = None,
    created_by: Principal | None = None,
    proof: StepUp | None = None,
) -> str:
    text = f"csn_{secrets.token_urlsafe(32)}"
    with transaction.atomic(durable=True):
        now = timezone.now()
        token = Token.objects.create(
            digest=token_digest(text),
            prefix=text[:10],
            principal=principal,
            source=source,
            scopes=sorted(set(scopes)),
            created_by=created_by,
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
        facts: dict[str, object] = {"scopes": token.scopes, "days": days}
        facts |= stepup.told(proof) if proof else {}
        audit.append(token_entry(token, Verb.TOKEN_ISSUED, actor, now, facts))
    return text


def token_entry(token: Token, verb: Verb, actor: Actor, now: datetime, facts: dict[str, object]) -> Entry:
    """In the stream of whoever the token belongs to."""
    kind, owner = ("person", token.principal) if token.principal else ("source", token.source)
    return Entry(
        stream=Stream(kind, str(owner.pk) if owner else ""),
        verb=verb,
        actor=actor,
        subject=Subject("token", str(token.pk), token.prefix),
        outcome="done",
        facts={"owner": str(owner), **facts},
        occurred_at=now,
    )


def _entry(person: Principal, verb: Verb, actor: Actor, now: datetime, facts: dict[str, object]) -> Entry:
    return Entry(
        stream=Stream("person", str(person.pk)),
        verb=verb,
        actor=actor,
        subject=Subject("person", str(person.pk), str(person)),
        outcome="done",
        facts=facts,
        occurred_at=now,
    )
