"""Sign-ins, failures and sign-outs, each an entry of the audit log."""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import lru_cache

from django.db import transaction
from django.utils import timezone

from playbooks import audit
from playbooks.audit import Actor, Entry, Stream, Subject
from playbooks.domain.verbs import Verb
from playbooks.models import Principal
from playbooks.operations.caller import Caller
from playbooks.operations.refusals import Refused

# Failures come in floods, so a day of them is spread over streams that do not wait for each other.
SHARDS = 16
NOBODY = Actor("anonymous", "Somebody not signed in")


def sign_in(person: Principal, *, address: str | None, outcome: str = "done") -> None:
    """Records that the person has signed in. `outcome` names another way than a password."""
    _record(Verb.SIGNIN_SUCCEEDED, person, address, outcome)


def sign_out(person: Principal, *, address: str | None) -> None:
    _record(Verb.SIGNOUT_DONE, person, address, "done")


def refuse(username: str, *, address: str | None) -> None:
    """Records a failed attempt. A name that nobody bears is not kept: people type passwords into the wrong field."""
    now = timezone.now()
    person = Principal.objects.filter(username=username).first()
    subject = _subject(person) if person else Subject("person", "unknown", "An unknown name")
    with transaction.atomic(durable=True):
        audit.append(
            Entry(
                stream=Stream("system", f"sign-in/{now:%Y-%m-%d}/{_shard(username)}"),
                verb=Verb.SIGNIN_FAILED,
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


def _record(verb: Verb, person: Principal, address: str | None, outcome: str) -> None:
    with transaction.atomic(durable=True):
        audit.append(_entry(verb, person, address, outcome, timezone.now()))


def _entry(verb: Verb, person: Principal, address: str | None, outcome: str, now: datetime) -> Entry:
    return Entry(
        stream=Stream("person", str(person.pk)),
        verb=verb,
        actor=Actor(str(person.pk), str(person)),
        subject=_subject(person),
        outcome=outcome,
        facts={"address": address},
        occurred_at=now,
    )


def _subject(person: Principal) -> Subject:
    return Subject("person", str(person.pk), str(person))


def _shard(username: str) -> int:
    return hashlib.sha256(username.encode(errors="replace")).digest()[0] % SHARDS
