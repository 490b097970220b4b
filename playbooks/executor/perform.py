"""Perform: no transaction, no lock, a deadline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cryptography.fernet import InvalidToken
from django.db import transaction

from playbooks.connectors import contract
from playbooks.connectors.simulator import simulate, simulate_cancel, simulate_end
from playbooks.domain.actions import Repeat
from playbooks.domain.outcomes import Failed, Outcome
from playbooks.executor.claims import Claim
from playbooks.models import SimulatedState, unseal
from playbooks.operations import secrecy

UNREADABLE = (
    "The secrets for {action} were encrypted with another key. Put that key back, or enter them again."
)


def perform(claim: Claim) -> Outcome:
    """Does what was claimed. After a lost answer it looks first whether it happened, where that can be seen; a job
    that goes on is asked how it stands.
    """
    if claim.is_simulated and not claim.action.is_pure:
        return _simulate(claim)
    try:
        context = _context(claim)
        claim = replace(claim, parameters=_opened(claim))
    except InvalidToken:
        return Failed(UNREADABLE.format(action=claim.action.key), permanent=True)
    if claim.handle is not None:
        ask = contract.cancel if claim.is_stopping else contract.poll
        return ask(claim.action.key, context, claim.handle, claim.parameters)
    return _begin(claim, context)


def _opened(claim: Claim) -> Mapping[str, object]:
    """An undo may need the secrets of the run that it takes back."""
    undone = claim.attempt.step.undoes
    return secrecy.opened(
        undone.run_id if undone else claim.run, claim.parameters, claim.action.secret_inputs
    )


def _begin(claim: Claim, context: contract.Context) -> Outcome:
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
        claim.action.connector,
        settings=connection.settings if connection else {},
        secrets=unseal(connection.sealed) if connection else {},
        idempotency_key=claim.attempt.idempotency_key,
        deadline=claim.deadline,
    )


def _simulate(claim: Claim) -> Outcome:
    if claim.handle is not None and claim.is_stopping:
        return simulate_cancel(claim.action)
    answer = simulate if claim.handle is None else simulate_end
    with transaction.atomic(durable=True):
        believed, _ = SimulatedState.objects.select_for_update().get_or_create(connection=claim.connection)
        outcome, believed.state = answer(claim.action, claim.parameters, believed.state)
        believed.save()
    return outcome
