"""Connections: configured by administrators, secrets in and never out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

from cryptography.fernet import InvalidToken
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone

from playbooks import audit
from playbooks.audit import Entry, Stream, Subject
from playbooks.connectors.configuration import problems
from playbooks.connectors.registry import CONNECTORS
from playbooks.domain.duties import Denial
from playbooks.domain.limits import Limits
from playbooks.domain.verbs import Verb
from playbooks.models import Connection, Principal, PrincipalKind, seal, unseal
from playbooks.operations import stepup
from playbooks.operations.caller import Caller
from playbooks.operations.refusals import Invalid, Missing, Refused
from playbooks.operations.rights import require_proof

BENEFICIARY = Denial(
    "grantor_is_beneficiary",
    "Nobody makes themselves the owner: owners decide what is done to their systems.",
)


def configure(
    name: str,
    *,
    caller: Caller,
    connector: str,
    settings: Mapping[str, object],
    secrets: Mapping[str, str],
    environment: str = "",
    is_simulated: bool = False,
    limits: Limits | None = None,
) -> Connection:
    """Makes or changes the connection `name`. Secrets that are not named stay as they are, and so do limits.

    Every change raises the revision, which voids approvals that bind the older one. Raises Invalid for an unknown
    connector or field, Refused without the permission.
    """
    caller.require("manage_connection", "configure connections", of=Connection)
    with transaction.atomic(durable=True):
        now = timezone.now()
        row, is_new = Connection.objects.select_for_update().get_or_create(
            name=name,
            defaults={
                "connector": connector,
                "revision": 0,
                "created_at": now,
                "changed_at": now,
                "environment_at": now,
            },
        )
        if is_new:
            caller.require("manage_connection", "make connections")
        caller.require_on("manage_connection", row, f"connection {name}")
        if row.connector != connector:
            raise Invalid([("/connector", f"The connection {name} is of {row.connector}; make a new one.")])
        held = _readable_secrets(row)
        _require_secrets_again(row, settings, held, secrets)
        kept = {**held, **secrets}
        _require_fitting(connector, settings, kept)
        row.settings, row.sealed = dict(settings), seal(kept)
        if row.environment != environment:
            row.environment_at, row.environment_by = now, caller.principal
        row.environment, row.is_simulated = environment, is_simulated
        row.revision += 1
        row.changed_at = now
        row.save()
        audit.append(_entry(row, caller, sorted(secrets)))
        if limits is not None:
            _limit(row, limits, caller, now)
    return row


def limit(name: str, *, caller: Caller, limits: Limits) -> Connection:
    """Says anew how much the connection may be used: all of its limits, also those that are off.

    The revision stays. It stands for what is sent and where, and that is what people approve. A limit says only when a
    step goes on, and whether one more approval is asked: it holds from the next claim on, for what was approved
    before too, so no approval has to be void for it. The request that a limit itself asked for binds the role that it
    names. Raises Invalid for limits that no connection can have, Missing, and Refused without the permission.
    """
    caller.require("manage_connection", "limit connections", of=Connection)
    with transaction.atomic(durable=True):
        row = Connection.objects.select_for_update().filter(name=name).first()
        if row is None:
            raise Missing(f"There is no connection {name}.")
        caller.require_on("manage_connection", row, f"connection {name}")
        _limit(row, limits, caller, timezone.now())
    return row


def give_to(name: str, *, caller: Caller, owner: str) -> Connection:
    """Says whose the system behind the connection is: `owner` is a username, empty for nobody's.

    Nobody gives it to themselves, since owners decide what is done to their systems, and it takes a proof of the last
    five minutes. Taking it from somebody takes none. Raises Refused, and Missing.
    """
    caller.require("manage_connection", "say whose a connection is", of=Connection)
    with transaction.atomic(durable=True):
        row = Connection.objects.select_for_update(of=("self",)).filter(name=name).first()
        person = Principal.objects.filter(username=owner, is_active=True, kind=PrincipalKind.PERSON).first()
        if row is None or (owner and person is None):
            raise Missing(
                f"There is no connection {name}." if row is None else f"There is nobody called {owner}."
            )
        caller.require_on("manage_connection", row, f"connection {name}")
        if person is not None and person.pk == caller.principal.pk:
            raise Refused(BENEFICIARY)
        proof = stepup.told(require_proof(caller)) if person is not None else {}
        row.owner = person
        row.save(update_fields=["owner"])
        owned = {"owner": str(person.pk) if person else "", "label": str(person or "")}
        facts = {"name": row.name, **owned, **proof}
        audit.append(_entry_of(row, Verb.CONNECTION_OWNED, caller, facts, timezone.now()))
    return row


def _limit(row: Connection, limits: Limits, caller: Caller, now: datetime) -> None:
    errors = [(f"/limits/{field}", sentence) for field, sentence in limits.errors()]
    if not Group.objects.filter(name=limits.targets_role).exists():
        errors.append(("/limits/targets_role", f"There is no role {limits.targets_role[:64]}."))
    if errors:
        raise Invalid(errors)
    for field, value in asdict(limits).items():
        setattr(row, field, value)
    row.save(update_fields=list(asdict(limits)))
    facts = {"name": row.name, "revision": row.revision, **asdict(limits)}
    audit.append(_entry_of(row, Verb.CONNECTION_LIMITED, caller, facts, now))


def _readable_secrets(connection: Connection) -> Mapping[str, str]:
    """None where the key has changed since: they have to be entered again, and those needed are asked for."""
    try:
        return unseal(connection.sealed)
    except InvalidToken:
        return {}


def _require_secrets_again(
    row: Connection, settings: Mapping[str, object], held: Mapping[str, str], given: Mapping[str, str]
) -> None:
    """Whoever sends a connection elsewhere has to know its secrets: kept ones would go to the new address."""
    known = CONNECTORS.get(row.connector)
    addresses = (
        [field.name for field in known.fields if field.kind == "url" or field.name == "host"] if known else []
    )
    if all(settings.get(name) == row.settings.get(name) for name in addresses):
        return
    missing = sorted(held.keys() - given.keys())
    if missing:
        raise Invalid(
            [(f"/secrets/{name}", "The address changed, so enter this secret again.") for name in missing]
        )


def _require_fitting(connector: str, settings: Mapping[str, object], secrets: Mapping[str, str]) -> None:
    known = CONNECTORS.get(connector)
    if known is None:
        raise Invalid(
            [("/connector", f"There is no connector {connector}. Known: {', '.join(sorted(CONNECTORS))}.")]
        )
    secret = {field.name for field in known.fields if field.kind == "secret"}
    errors = [
        (f"/secrets/{name}", f"{known.label} has no secret {name}.") for name in secrets if name not in secret
    ]
    errors += [("/settings", sentence) for sentence in problems(known, settings, secrets)]
    if errors:
        raise Invalid(errors)


def _entry(connection: Connection, caller: Caller, secrets: list[str]) -> Entry:
    facts = {
        "name": connection.name,
        "connector": connection.connector,
        "settings": connection.settings,
        "secrets_set": secrets,
        "environment": connection.environment,
        "simulated": connection.is_simulated,
        "revision": connection.revision,
    }
    return _entry_of(connection, Verb.CONNECTION_CONFIGURED, caller, facts, connection.changed_at)


def _entry_of(
    connection: Connection, verb: Verb, caller: Caller, facts: Mapping[str, object], now: datetime
) -> Entry:
    return Entry(
        stream=Stream("connection", str(connection.pk)),
        verb=verb,
        actor=caller.actor,
        subject=Subject("connection", str(connection.pk), connection.name),
        outcome="done",
        facts=facts,
        occurred_at=now,
    )
