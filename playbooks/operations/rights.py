"""What giving and taking of every kind of right has in common: who may, the duty rule, the proof that giving takes, and
what is left behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Prefetch

from playbooks import access
from playbooks.access.facts import facts_to_approve
from playbooks.access.identities import accounts_of
from playbooks.domain.duties import denials
from playbooks.domain.granting import grantor_is_beneficiary
from playbooks.domain.seats import fitting, match
from playbooks.domain.statuses import RequestStatus
from playbooks.domain.stepup import Purpose, need_of
from playbooks.models import ApprovalRequest, Membership, Principal, PrincipalKind, Seat, StepUp
from playbooks.models.decisions import Decision
from playbooks.operations import stepup
from playbooks.operations.caller import Caller
from playbooks.operations.refusals import Invalid, Missing, Refused

PASSING = frozenset(
    {"already_decided", "seat_taken", "stale_digest", "not_stepped_up"}
)  # who decides, not whether
LONGEST_REASON = 2000


@dataclass(frozen=True, slots=True)
class Blocked:
    """An open request that nobody can grant any more as people and roles are now. It waits; it is never granted."""

    request: UUID
    question: str


def require_grantor(caller: Caller, beneficiaries: Iterable[UUID]) -> None:
    """Raises Refused where the caller would give a right to themselves, by whatever account."""
    own = accounts_of([caller.principal.pk])[caller.principal.pk]
    denial = grantor_is_beneficiary(frozenset(map(str, own)), frozenset(str(each) for each in beneficiaries))
    if denial is not None:
        raise Refused(denial)


def require_proof(caller: Caller) -> StepUp:
    """The proof of the last five minutes by which the caller gives a right. Raises Refused where nothing was proven.

    Taking a right takes no proof: whoever stops something must not be kept from it.
    """
    return stepup.require(need_of(Purpose.GRANT), caller=caller)


def require_giver(caller: Caller, beneficiaries: Iterable[UUID]) -> StepUp:
    """`require_grantor`, then `require_proof`."""
    require_grantor(caller, beneficiaries)
    return require_proof(caller)


def person_named(username: str) -> Principal:
    """The active person or service account, locked against rivals who give and take. Raises Missing."""
    found = Principal.objects.select_for_update(no_key=True).filter(username=username, is_active=True).first()
    if found is None:
        raise Missing(f"There is nobody active called {username}.")
    return found


def reason_of(text: str) -> str:
    """Raises Invalid without one."""
    reason = text.strip()
    if not reason:
        raise Invalid([("/reason", "Say why, for those who will read who has what.")])
    if len(reason) > LONGEST_REASON:
        raise Invalid([("/reason", f"A reason has at most {LONGEST_REASON:,} characters.")])
    return reason


def told(blocked: Sequence[Blocked]) -> dict[str, object]:
    """As a fact of an entry."""
    return {"blocked": [str(each.request) for each in blocked]}


class Watch:
    """Tells which open requests a change makes impossible to grant: made before it, and asked after it.

    A change of rights never grants anything: a request that loses its people stays blocked, and this says so.
    """

    def __init__(self, requests: Sequence[ApprovalRequest]) -> None:
        self._requests = requests
        self._before = _fillable(requests)

    def blocked(self) -> tuple[Blocked, ...]:
        """What could be granted before the change and cannot be now."""
        gone = self._before - _fillable(self._requests)
        return tuple(Blocked(each.pk, each.question) for each in self._requests if each.pk in gone)


def open_requests(**narrowed: object) -> list[ApprovalRequest]:
    """The open requests that a condition concerns, with all that the rules look at."""
    rows = ApprovalRequest.objects.filter(status=RequestStatus.OPEN, **narrowed).distinct()
    about = ("run__case__team", "run__version__playbook__team", "step")
    seats, decisions = Seat.objects.order_by("position"), Decision.objects.order_by("decided_at", "pk")
    rows = rows.select_related(*about).prefetch_related(
        Prefetch("seats", seats), Prefetch("decisions", decisions)
    )
    return list(rows.order_by("opened_at", "pk"))


def _fillable(requests: Sequence[ApprovalRequest]) -> set[UUID]:
    """Those whose seats could all be filled by different people who may decide."""
    roles = {seat.role for request in requests for seat in request.seats.all()}
    held = Membership.objects.filter(group__name__in=roles).values("principal")
    people = Principal.objects.filter(pk__in=held, is_active=True, kind=PrincipalKind.PERSON)
    rows = ApprovalRequest.objects.filter(pk__in=[each.pk for each in requests])
    fits: dict[UUID, dict[str, frozenset[int]]] = {each.pk: {} for each in requests}
    for person in people.order_by("pk"):
        near = set(access.within_reach(person, rows).values_list("pk", flat=True))
        for pk, facts in facts_to_approve(person, requests).items():
            if pk in near and {each.rule for each in denials(facts)} <= PASSING:
                fits[pk][facts.decider.id] = fitting(facts.seats, facts.entitlement)
    return {each.pk for each in requests if len(match(fits[each.pk])) == len(each.seats.all())}
