"""Perform: no transaction, no lock, a deadline."""

from __future__ import annotations

from cryptography.fernet import InvalidToken
from django.db import transaction

from playbooks.connectors import contract
from playbooks.connectors.simulator import simulate
from playbooks.domain.actions import Repeat
from playbooks.domain.outcomes import Failed, Outcome
from playbooks.executor.claims import Claim
from playbooks.models import SimulatedState, unseal

UNREADABLE = (
    "The secrets of the connection {connection} were encrypted with another key. Put the key back, or enter the "
    "secrets again."
)


def perform(claim: Claim) -> Outcome:
    """Does what was claimed. After a lost answer it looks first whether it happened, where that can be seen."""
    if claim.is_simulated:
        return _simulate(claim)
    try:
        context = _context(claim)
    except InvalidToken:
        return Failed(UNREADABLE.format(connection=claim.connection.name), permanent=True)
    if claim.recovers and claim.action.repeat is Repeat.LOOKUP:
        found = contract.lookup(claim.action.key, context, claim.parameters)
        if found is not None:
            return found
    if claim.undoes is not None:
        drift = contract.verify(claim.action.key, context, claim.parameters, claim.undoes)
        if drift is not None:
            return Failed(drift, permanent=True)
    return contract.perform(claim.action.key, context, claim.parameters)


def _context(claim: Claim) -> contract.Context:
    connection = claim.connection
    return contract.context(
        connection.connector,
        settings=connection.settings,
        secrets=unseal(connection.sealed),
        idempotency_key=claim.attempt.idempotency_key,
        deadline=claim.deadline,
    )


def _simulate(claim: Claim) -> Outcome:
    with transaction.atomic(durable=True):
        believed, _ = SimulatedState.objects.select_for_update().get_or_create(connection=claim.connection)
        outcome, believed.state = simulate(claim.action, claim.parameters, believed.state)
        believed.save()
    return outcome
