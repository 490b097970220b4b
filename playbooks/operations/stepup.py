"""Step-up: a challenge is issued, a proof answers it, and what is done uses the proof (approvals.md, Step-up).

Whatever needs a proof looks for it inside its own transaction, so that one proof never serves two rivals.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from playbooks import audit
from playbooks.access import factors
from playbooks.audit import Entry, Stream, Subject
from playbooks.domain import stepup
from playbooks.domain.duties import Denial
from playbooks.domain.stepup import RULE, Method, Need, Proof, Purpose, SignIn
from playbooks.domain.verbs import Verb
from playbooks.models import FactorUse, Principal, StepUp
from playbooks.operations.caller import Caller
from playbooks.operations.refusals import Missing, Refused

Check = Callable[[StepUp, FactorUse, datetime], str | None]  # the sentence that refuses

OF_A_SESSION = Denial(
    "token_not_person",
    "Only a signed-in person can prove to be themselves; no token and no service account can.",
)
WRONG_KEY = "This is no answer of a passkey of yours to what was asked here. Start again."
WRONG_CODE = (
    "The password or the code is wrong, or the code was used before. Wait for the next one and try again."
)
OVER = "What you answered is too old, or was answered before. Start again."
USED = "The proof was used for something else at the same moment. Prove again that it is you."


def begin(need: Need, *, caller: Caller) -> StepUp:
    """A challenge for the person in this session. What they left unanswered before goes.

    Raises Refused for a token and for a service account.
    """
    _require_person(caller)
    now = timezone.now()
    with transaction.atomic(durable=True):
        StepUp.objects.filter(person=caller.principal, proven_at=None, expires_at__lte=now).delete()
        return StepUp.objects.create(
            person=caller.principal,
            session=caller.session,
            purpose=need.purpose.value,
            nonce=secrets.token_hex(stepup.NONCE_BYTES),
            digest=need.digest,
            verdict=need.verdict,
            issued_at=now,
            expires_at=now + stepup.FRESH,
        )


def options(row: StepUp, *, origin: str) -> dict[str, Any]:
    """What the browser has to ask the person's passkeys. `origin` is that of the page."""
    return factors.assertion_options(row.person, origin, _challenge(row))


def nonce_for_provider(row: StepUp) -> str:
    """What an identity provider has to repeat in its token (OpenID Connect Core, 3.1.2.1)."""
    return _challenge(row).hex()


def is_answered(row: UUID, *, caller: Caller) -> bool:
    """Whether the person has answered it already, as when the same call comes twice."""
    return StepUp.objects.filter(
        pk=row, person=caller.principal, session=caller.session, proven_at__isnull=False
    ).exists()


def prove_by_passkey(row: UUID, *, caller: Caller, origin: str, assertion: Mapping[str, Any]) -> StepUp:
    """Takes the answer of a passkey, as `navigator.credentials.get` gives it.

    This and the other two raise Refused for what proves nothing, and while too many failures lock the person out;
    Missing for a challenge that is not the person's own. Each failure is recorded.
    """

    def check(row: StepUp, _use: FactorUse, _now: datetime) -> str | None:
        is_signed = factors.is_signed(row.person, origin, _challenge(row), assertion)
        return None if is_signed else WRONG_KEY

    return _prove(row, caller, Method.PASSKEY, check)


def prove_by_code(row: UUID, *, caller: Caller, password: str, code: str) -> StepUp:
    """Takes the person's password together with a code of their authenticator app, which is good for once."""

    def check(row: StepUp, use: FactorUse, now: datetime) -> str | None:
        fitting = factors.fitting_counters(row.person, code, now)
        counter = stepup.accepted_counter(fitting, use.code_counter)
        if not row.person.check_password(password) or counter is None:
            return WRONG_CODE
        use.code_counter = counter
        return None

    return _prove(row, caller, Method.CODE, check)


def prove_by_provider(row: UUID, *, caller: Caller, told: SignIn) -> StepUp:
    """Takes what an identity provider says of a fresh sign-in. Whoever calls has verified its token."""

    def check(row: StepUp, _use: FactorUse, _now: datetime) -> str | None:
        own = factors.accounts_of(row.person).get(told.provider, [])
        nonce = nonce_for_provider(row)
        return stepup.denies_sign_in(told, nonce=nonce, issued_at=row.issued_at, accounts=own)

    return _prove(row, caller, Method.PROVIDER, check)


def proof_for(need: Need, *, caller: Caller, now: datetime) -> StepUp | None:
    """The newest proof of the person in this session that meets the need, in the caller's transaction."""
    if caller.token is not None or not caller.session:
        return None
    since = now - stepup.FRESH
    proven = StepUp.objects.filter(
        person=caller.principal, session=caller.session, proven_at__gt=since
    ).order_by("-proven_at", "-pk")
    return next((row for row in proven if stepup.is_met(need, proof_of(row), now)), None)


def is_met(need: Need, row: StepUp, now: datetime) -> bool:
    """Whether somebody's proof, whoever's, meets the need now."""
    return stepup.is_met(need, proof_of(row), now)


def use(row: StepUp, need: Need, *, now: datetime) -> None:
    """Uses a proof up where it is needed for one thing alone. Raises Refused for whoever comes second."""
    if not need.is_own:
        return
    if not StepUp.objects.filter(pk=row.pk, used_at=None).update(used_at=now):
        raise Refused(Denial(RULE, USED))
    row.used_at = now


def require(need: Need, *, caller: Caller, now: datetime | None = None) -> StepUp:
    """Uses the person's proof, in the caller's transaction. Raises Refused when there is none: the sentence says how
    to give one, or what to set up.
    """
    _require_person(caller)
    now = now or timezone.now()
    found = proof_for(need, caller=caller, now=now)
    if found is None:
        raise Refused(stepup.missing(need, factors.paths_of(caller.principal)))
    use(found, need, now=now)
    return found


def told(proof: StepUp) -> dict[str, object]:
    """As a fact of the entry of what it was used for; `step_up` is that of the entry which says that it was proven."""
    return {"step_up": str(proof.pk), "step_up_method": proof.method}


def proof_of(row: StepUp) -> Proof:
    """Raises ValueError for a challenge that nobody has answered."""
    if row.proven_at is None:
        raise ValueError(f"{row} is not proven.")
    return Proof(
        method=Method(row.method),
        purpose=Purpose(row.purpose),
        digest=row.digest,
        verdict=row.verdict,
        at=row.proven_at,
        is_used=row.used_at is not None,
    )


def _require_person(caller: Caller) -> None:
    if caller.token is not None or not caller.principal.is_person or not caller.session:
        raise Refused(OF_A_SESSION)


def _challenge(row: StepUp) -> bytes:
    return stepup.challenge(bytes.fromhex(row.nonce), row.digest, row.verdict)


def _prove(pk: UUID, caller: Caller, method: Method, check: Check) -> StepUp:
    _require_person(caller)
    row = _own(pk, caller)
    try:
        with transaction.atomic(durable=True):
            return _accept(row, caller, method, check)
    except Refused as refusal:
        _record_failure(row, caller, method, refusal)
        raise


def _own(pk: UUID, caller: Caller) -> StepUp:
    found = StepUp.objects.filter(pk=pk, person=caller.principal, session=caller.session)
    row = found.select_related("person").first()
    if row is None:
        raise Missing("There is no such challenge for you in this session. Start again.")
    return row


def _accept(row: StepUp, caller: Caller, method: Method, check: Check) -> StepUp:
    """Who fails, and whose code was used, is looked at one after the other for each person."""
    now = timezone.now()
    use = _locked_use(row.person)
    _require_unlocked(use, now)
    if not stepup.is_answerable(row.issued_at, now):
        raise Refused(Denial(RULE, OVER))
    if sentence := check(row, use, now):
        raise Refused(Denial(RULE, sentence))
    answered = StepUp.objects.filter(pk=row.pk, proven_at=None)
    if not answered.update(method=method.value, proven_at=now):
        raise Refused(Denial(RULE, OVER))
    row.method, row.proven_at, use.failures = method.value, now, 0
    use.save(update_fields=["failures", "code_counter"])
    audit.append(_entry(row, Verb.STEP_UP_PROVEN, caller, now, {"method": method.value}))
    return row


def _locked_use(person: Principal) -> FactorUse:
    FactorUse.objects.get_or_create(person=person)
    return FactorUse.objects.select_for_update().get(person=person)


def _require_unlocked(use: FactorUse, now: datetime) -> None:
    if use.locked_until is not None and now < use.locked_until:
        sentence = f"Too many proofs failed. Nothing can be proven before {use.locked_until:%H:%M:%S} UTC."
        raise Refused(Denial(RULE, sentence))


def _record_failure(row: StepUp, caller: Caller, method: Method, refusal: Refused) -> None:
    """In a transaction of its own. After some failures in a row nothing is taken for a while, whatever it is."""
    with transaction.atomic(durable=True):
        now = timezone.now()
        use = _locked_use(row.person)
        if use.locked_until is None or use.locked_until <= now:
            use.failures += 1
            use.locked_until = stepup.locked_until(use.failures, now)
            use.failures = 0 if use.locked_until else use.failures
            use.save(update_fields=["failures", "locked_until"])
        facts = {"method": method.value, "rule": refusal.rule, "sentence": str(refusal)}
        locked = {"locked_until": use.locked_until.isoformat()} if use.locked_until else {}
        audit.append(_entry(row, Verb.STEP_UP_REFUSED, caller, now, {**facts, **locked}, "refused"))
    refusal.is_recorded = True


def _entry(
    row: StepUp, verb: Verb, caller: Caller, now: datetime, facts: Mapping[str, object], outcome: str = "done"
) -> Entry:
    """In the stream of the person. The session is named, so that all that was done in it can be found."""
    about = {"purpose": row.purpose, "digest": row.digest, "verdict": row.verdict}
    return Entry(
        stream=Stream("person", str(row.person_id)),
        verb=verb,
        actor=caller.actor,
        subject=Subject("person", str(row.person_id), str(row.person)),
        outcome=outcome,
        facts={"step_up": str(row.pk), **about, **facts, "address": caller.address},
        occurred_at=now,
    )
