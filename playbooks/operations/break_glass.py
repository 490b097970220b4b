"""Break-glass: somebody with the right runs past an open gate, and everybody concerned is told at once.

Nothing but a gate of a run can be passed so: no policy, no grant, no key and no entry of the log takes it. What was
passed is never called approved, and a review of it is due.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from playbooks import access
from playbooks.access.glass import BREAK, overdue_reviews
from playbooks.access.identities import accounts_of
from playbooks.domain import break_glass as rules
from playbooks.domain.break_glass import USUAL_MINUTES, GlassFacts, glass_denials, is_in_time
from playbooks.domain.canonical import digest
from playbooks.domain.duties import Denial
from playbooks.domain.entries import moment
from playbooks.domain.statuses import RequestStatus
from playbooks.domain.stepup import Need, Purpose, need_of
from playbooks.domain.verbs import Verb
from playbooks.models import ApprovalRequest, BreakGlass, Principal, Step, StepUp
from playbooks.operations import idempotency, requests, stepup, telling
from playbooks.operations.approvals import open_change
from playbooks.operations.caller import Caller
from playbooks.operations.change import Change
from playbooks.operations.letting_through import let_through
from playbooks.operations.refusals import Hidden, Invalid, Refused
from playbooks.operations.rounds import open_frame

TIME_IS_OVER = "the time of the break-glass"
NOTHING_WAITS = Denial(
    "nothing_waits",
    "Nothing waits for this: it has run already, and is taken back unless people countersign it.",
)
RIGHT_IS_LOST = "the right to break the glass"


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody wants to run past a gate. `shown_digest` is of what they were shown."""

    request: UUID
    caller: Caller
    shown_digest: str
    reason: str
    minutes: int

    def as_json(self) -> dict[str, object]:
        told = {"digest": self.shown_digest, "reason": self.reason, "minutes": self.minutes}
        return {"request": str(self.request), **told}


class Forbidden(Refused):
    """A rule forbids it. `facts` are those on which the rules were evaluated."""

    def __init__(self, facts: GlassFacts, *forbidden: Denial) -> None:
        super().__init__(*forbidden)
        self.facts = facts


def use(
    request: UUID,
    *,
    caller: Caller,
    shown_digest: str,
    reason: str,
    minutes: int = USUAL_MINUTES,
    idempotency_key: str = "",
) -> BreakGlass:
    """Lets run exactly what `shown_digest` stands for, for so many minutes, though nobody has approved it.

    Raises Refused with every rule that forbids it (the refusal itself is recorded), Invalid for a reason that is too
    long, Missing for an unknown request.
    """
    if len(reason) > 10_000:
        raise Invalid([("/reason", "The reason has more than 10,000 characters; shorten it.")])
    attempt = Attempt(request, caller, shown_digest, reason.strip(), minutes)
    try:
        with transaction.atomic(durable=True):
            return _use(attempt, idempotency_key)
    except Refused as refusal:
        _record_refusal(attempt, refusal)
        _hide(attempt, refusal)
        raise


def _hide(attempt: Attempt, refusal: Refused) -> None:
    """Whoever may not know of the request is told that there is none; the log has said why already."""
    rows = ApprovalRequest.objects.filter(pk=attempt.request)
    if not access.within_reach(attempt.caller.principal, rows).exists():
        hidden = Hidden(f"There is no approval request {attempt.request}.", rule=refusal.rule)
        hidden.is_recorded = True
        raise hidden from refusal


def over(request: ApprovalRequest, step: Step, now: datetime) -> str:
    """What has ended of the break-glass under which the step would run; empty while it is in force, and for a request
    that was not passed. A step that has begun under it goes on.
    """
    if request.status != RequestStatus.PASSED or request.consumptions.filter(step=step).exists():
        return ""
    glass = BreakGlass.objects.select_related("person").get(request=request)
    if not is_in_time(glass.until, now):
        return TIME_IS_OVER
    return "" if access.may(glass.person, BREAK) else RIGHT_IS_LOST


def _use(attempt: Attempt, idempotency_key: str) -> BreakGlass:
    now, person = timezone.now(), str(attempt.caller.principal.pk)
    row, change = open_change(attempt.request, now=now, actor_of=attempt.caller)
    if idempotency.recall(person, idempotency_key, attempt.as_json()):
        return BreakGlass.objects.get(request=row)
    if row.countersigns:
        raise Refused(NOTHING_WAITS)
    needs = _need(Purpose.BREAK_GLASS, attempt), _need(Purpose.SECOND, attempt)
    proof = stepup.proof_for(needs[0], caller=attempt.caller, now=now)
    second = _second(attempt, needs[1], now)
    facts = _facts(attempt, row, proof, second, now)
    forbidden = glass_denials(facts)
    if forbidden:
        raise Forbidden(facts, *forbidden)
    attempt.caller.require_within_reach(row, f"approval request {attempt.request}")
    for each, need in zip((proof, second), needs, strict=True):
        if each is not None:
            stepup.use(each, need, now=now)
    glass = _break(change, row, attempt, facts, second)
    idempotency.keep(person, idempotency_key, attempt.as_json(), {"request": str(row.pk)}, now=now)
    change.finish()
    return glass


def _need(purpose: Purpose, attempt: Attempt) -> Need:
    return need_of(purpose, attempt.shown_digest)


def _facts(
    attempt: Attempt, row: ApprovalRequest, proof: StepUp | None, second: StepUp | None, now: datetime
) -> GlassFacts:
    """Read inside the transaction. Whoever breaks the glass twice at once waits for themselves."""
    person = Principal.objects.select_for_update(no_key=True).get(pk=attempt.caller.principal.pk)
    own = accounts_of([person.pk])[person.pk]
    lately = BreakGlass.objects.filter(person__in=own, broken_at__gt=now - rules.USES_WITHIN)
    return GlassFacts(
        holder=str(person.pk),
        name=str(person),
        is_active=person.is_active,
        is_person=person.is_person,
        by_token=attempt.caller.token is not None,
        may_break=access.may(person, BREAK),
        step_up="bound" if proof else "",
        step_up_method=proof.method if proof else "",
        second=str(second.person_id) if second else "",
        second_name=str(second.person) if second else "",
        status=row.status,
        shown_digest=attempt.shown_digest,
        current_digest=_current_digest(row),
        reason=attempt.reason,
        minutes=attempt.minutes,
        overdue=overdue_reviews(now).count(),
        used_lately=lately.count(),
    )


def _second(attempt: Attempt, need: Need, now: datetime) -> StepUp | None:
    """The proof of another holder who stands by, given for exactly this in the last five minutes. None of the
    holder's own accounts is another holder.
    """
    own = accounts_of([attempt.caller.principal.pk])[attempt.caller.principal.pk]
    proven = StepUp.objects.filter(
        purpose=Purpose.SECOND, digest=attempt.shown_digest, used_at=None, proven_at__isnull=False
    ).exclude(person__in=own)
    for row in proven.select_related("person").order_by("-proven_at"):
        if stepup.is_met(need, row, now) and access.may(row.person, BREAK):
            return row
    return None


def _current_digest(row: ApprovalRequest) -> str:
    if row.status != RequestStatus.OPEN:
        return row.digest
    return digest(requests.current_subject(row, open_frame(row.run, row.step.frame)))


def _break(
    change: Change, row: ApprovalRequest, attempt: Attempt, facts: GlassFacts, second: StepUp | None
) -> BreakGlass:
    person = attempt.caller.principal
    glass = BreakGlass.objects.create(
        request=row,
        person=person,
        person_name=str(person),
        second=second.person if second else None,
        second_name=facts.second_name,
        reason=attempt.reason,
        digest=facts.shown_digest,
        broken_at=change.now,
        until=change.now + timedelta(minutes=attempt.minutes),
        address=attempt.caller.address,
        facts=facts.as_json(),
    )
    requests.close(
        change,
        row,
        RequestStatus.PASSED,
        Verb.REQUEST_PASSED,
        by={"id": facts.holder, "name": facts.name},
        second={"id": facts.second, "name": facts.second_name} if second else None,
        reason=attempt.reason,
        until=moment(glass.until),
        glass_facts=facts.as_json(),
    )
    change.tellings += telling.glass_broken(glass, row)
    let_through(change, row, approvers=())
    return glass


def _record_refusal(attempt: Attempt, refusal: Refused) -> None:
    """In a transaction of its own."""
    with transaction.atomic(durable=True):
        row, change = open_change(attempt.request, now=timezone.now(), actor_of=attempt.caller)
        change.note(
            Verb.BREAK_GLASS_REFUSED,
            subject=requests.request_subject(row),
            outcome="refused",
            facts={
                **attempt.as_json(),
                "rule": refusal.rule,
                "denials": [asdict(each) for each in refusal.denials],
                "glass_facts": refusal.facts.as_json() if isinstance(refusal, Forbidden) else None,
            },
        )
        change.finish()
    refusal.is_recorded = True
