"""Sign-ins, failures, sign-outs and ended sessions, each an entry of the audit log."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from playbooks import access, audit
from playbooks.audit import Actor, Entry, Stream, Subject
from playbooks.domain.verbs import Verb
from playbooks.models import Principal, Session
from playbooks.operations.caller import Caller
from playbooks.operations.refusals import Missing, Refused, no_permission

# Failures come in floods, so a day of them is spread over streams that do not wait for each other.
SHARDS = 16
NOBODY = Actor("anonymous", "Somebody not signed in")


def sign_in(
    person: Principal, *, address: str | None, methods: Sequence[str] = (), outcome: str = "done"
) -> None:
    """Records that the person has signed in, with the `methods` that proved it. `outcome` names the demo's switch."""
    record(Verb.SIGNIN_SUCCEEDED, person, address=address, outcome=outcome, methods=list(methods))


def sign_out(person: Principal, *, address: str | None) -> None:
    record(Verb.SIGNOUT_DONE, person, address=address)


def end(handle: UUID, *, caller: Caller) -> Session:
    """Ends a session of the caller's own, or of anybody's for who manages people, and returns what it was. The next
    request of its browser has to sign in.

    Raises Missing for one that is not there or not the caller's to see.
    """
    with transaction.atomic(durable=True):
        row = Session.objects.select_related("principal").filter(handle=handle).first()
        if row is None or row.principal is None or not _may_end(caller, row.principal):
            raise Missing(f"There is no session {handle}.")
        Session.objects.filter(pk=row.pk).delete()
        _note_end(caller, row.principal, {"session": str(handle)})
    return row


def end_all(person: Principal, *, caller: Caller, but: UUID | None = None) -> int:
    """Ends every session of the person except `but`; how many those were. Raises Refused for another's."""
    if not _may_end(caller, person):
        raise no_permission("end the sessions of others")
    with transaction.atomic(durable=True):
        rows = Session.objects.filter(principal=person)
        ended, _ = (rows.exclude(handle=but) if but else rows).delete()
        _note_end(caller, person, {"sessions": ended})
    return ended


def _may_end(caller: Caller, person: Principal) -> bool:
    return caller.principal == person or access.may(caller.principal, "manage_people")


def _note_end(caller: Caller, person: Principal, facts: dict[str, object]) -> None:
    audit.append(
        Entry(
            stream=Stream("person", str(person.pk)),
            verb=Verb.SESSION_ENDED,
            actor=caller.actor,
            subject=_subject(person),
            outcome="done",
            facts={"address": caller.address, **facts},
            occurred_at=timezone.now(),
        )
    )


def lock_out(username: str, *, address: str | None) -> None:
    """Records that nobody may try this name from this address, or anything from it, for a while."""
    _record_of_nobody(Verb.SIGNIN_LOCKED_OUT, username, address)


def refuse(username: str, *, address: str | None) -> None:
    """Records a failed attempt. A name that nobody bears is not kept: people type passwords into the wrong field."""
    _record_of_nobody(Verb.SIGNIN_FAILED, username, address)


def _record_of_nobody(verb: Verb, username: str, address: str | None) -> None:
    now = timezone.now()
    person = Principal.objects.filter(username__iexact=username).first() if "\0" not in username else None
    subject = _subject(person) if person else Subject("person", "unknown", "An unknown name")
    with transaction.atomic(durable=True):
        audit.append(
            Entry(
                stream=Stream("system", f"sign-in/{now:%Y-%m-%d}/{_shard(username)}"),
                verb=verb,
                actor=NOBODY,
                subject=subject,
                outcome="refused",
                facts={"address": address},
                occurred_at=now,
            )
        )


def refuse_token(*, address: str | None) -> None:
    """Records calls with a token that is not in force: the first of each minute from an address, since they come
    in floods.
    """
    now = timezone.now()
    _refuse_token(address, f"{now:%Y-%m-%d}", f"{now:%H:%M}")


@lru_cache(maxsize=4096)
def _refuse_token(address: str | None, day: str, _minute: str) -> None:
    with transaction.atomic(durable=True):
        audit.append(
            Entry(
                stream=Stream("system", f"token/{day}/{_shard(address or '')}"),
                verb=Verb.TOKEN_REFUSED,
                actor=NOBODY,
                subject=Subject("token", "unknown", "A token that is not in force"),
                outcome="refused",
                facts={"address": address},
                occurred_at=timezone.now(),
            )
        )


def refuse_call(caller: Caller, refusal: Refused, *, call: str) -> None:
    """Records that a rule forbade what the caller tried; `call` names the address or the command.

    A refusal that its operation has recorded already is left alone.
    """
    if refusal.is_recorded:
        return
    person = caller.principal
    with transaction.atomic(durable=True):
        audit.append(
            Entry(
                stream=Stream("person", str(person.pk)),
                verb=Verb.ACTION_REFUSED,
                actor=caller.actor,
                subject=_subject(person),
                outcome="refused",
                facts={
                    "call": call,
                    "address": caller.address,
                    "rule": refusal.rule,
                    "denials": [{"rule": each.rule, "sentence": each.sentence} for each in refusal.denials],
                },
                occurred_at=timezone.now(),
            )
        )


def record(
    verb: Verb, person: Principal, *, address: str | None, outcome: str = "done", **facts: object
) -> None:
    """Records what the person has done to how they sign in, which the framework has done already."""
    with transaction.atomic(durable=True):
        audit.append(
            Entry(
                stream=Stream("person", str(person.pk)),
                verb=verb,
                actor=Actor(str(person.pk), str(person)),
                subject=_subject(person),
                outcome=outcome,
                facts={"address": address, **facts},
                occurred_at=timezone.now(),
            )
        )


def _subject(person: Principal) -> Subject:
    return Subject("person", str(person.pk), str(person))


def _shard(username: str) -> int:
    return hashlib.sha256(username.encode(errors="replace")).digest()[0] % SHARDS
