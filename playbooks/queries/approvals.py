"""Approval requests as a person sees them: what would run, why, who is needed, what forbids deciding."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db.models import Case, DateTimeField, F, Prefetch, Q, QuerySet, Value, When
from django.utils import timezone

from playbooks import access
from playbooks.access.delegations import substitutions
from playbooks.access.facts import facts_to_approve
from playbooks.access.filling import unfilled
from playbooks.access.seats import names_of
from playbooks.access.teams import teams_of
from playbooks.connectors.registry import catalogue
from playbooks.domain.actions import Catalogue
from playbooks.domain.duties import Denial, denials
from playbooks.domain.statuses import RequestStatus
from playbooks.domain.stepup import demanded
from playbooks.models import Alternative, ApprovalRequest, Late, Principal, Seat
from playbooks.models.decisions import Decision, Withdrawal
from playbooks.queries import references
from playbooks.queries.references import AlertReference, CaseReference, Person, VersionReference
from playbooks.queries.seat_sources import sources_of

LATE_SENTENCES: Mapping[str, str] = {
    Late.DENY: "If nobody decides in time, it counts as denied.",
    Late.ESCALATE: "If nobody decides in time, it goes on to those whom the gate names, stands above all others and "
    "gets the same time once more.",
    Late.HOLD: "If nobody decides in time, it stays open, marked as late.",
}
NOT_COUNTERSIGNED = "If nobody countersigns it in time, it is taken back."


@dataclass(frozen=True, slots=True)
class Item:
    """One action exactly as it would run. `undo` is a sentence; `reversible` says whether there is a way back."""

    step: str
    action: str
    label: str
    effect: str
    connection: str
    connection_revision: int
    target: str
    parameters: Mapping[str, Any]
    undo: str
    reversible: bool
    simulated: bool


@dataclass(frozen=True, slots=True)
class SeatView:
    """`filled_by` is a username. `source` says which rule asks for the seat; `is_fillable` whether anybody could take
    it as the people are now.
    """

    role: str
    title: str
    source: str
    is_fillable: bool
    filled_by: str | None
    filled_by_name: str | None


@dataclass(frozen=True, slots=True)
class DecisionView:
    """`withdrawn_at` and the reason are of a decision that its person took back, so that it counts no more. The
    `address` from which it was made is for who may see the audit log, and empty for others.
    """

    person: str
    verdict: str
    comment: str
    digest: str
    decided_at: datetime
    address: str
    withdrawn_at: datetime | None
    withdrawn_because: str


@dataclass(frozen=True, slots=True)
class Previous:
    """The request that was denied before it was asked again, and what was said then as new `evidence`."""

    id: UUID
    decisions: tuple[DecisionView, ...]
    evidence: str
    asked_by: str


@dataclass(frozen=True, slots=True)
class RequestView:
    """`subject` is what `digest` is the SHA-256 of, in canonical form (RFC 8785); `items` say it for people.

    `step_up` is what an approval takes beyond a session: "", "fresh" (a proof of the last five minutes), or "bound"
    (one over this very decision).

    `countersigns` says that the step has run already, and is taken back unless this is granted in time.

    `denials` are all the duty rules that forbid the viewer to approve; the first is `denial`. `may_ask_again` says
    whether it can be asked again, by who may start runs. `gone_on_to` are those who may take any seat too, since it
    was late.
    """

    id: UUID
    run: UUID
    step: str
    status: str
    question: str
    digest: str
    subject: Mapping[str, Any]
    items: tuple[Item, ...]
    not_covered: tuple[str, ...]
    shown: Mapping[str, Any]
    seats: tuple[SeatView, ...]
    gone_on_to: tuple[str, ...]
    decisions: tuple[DecisionView, ...]
    denials_to_end: int
    previous: Previous | None
    requested_by: Person | None
    requesters: tuple[str, ...]
    authors: tuple[str, ...]
    version: VersionReference
    case: CaseReference
    alert: AlertReference | None
    simulated: bool
    opened_at: datetime
    due_at: datetime | None
    escalated_at: datetime | None
    closed_at: datetime | None
    profile: str
    late: str
    late_sentence: str
    step_up: str
    countersigns: bool
    may_withdraw_decision: bool
    may_withdraw: bool
    may_ask_again: bool
    may_decide: bool
    denial: Denial | None
    denials: tuple[Denial, ...]

    @property
    def cannot_be_granted(self) -> bool:
        """Whether a seat is left that nobody could take."""
        return not all(seat.is_fillable for seat in self.seats)


def requests(person: Principal) -> QuerySet[ApprovalRequest]:
    """Every request that the person may see, with all that `views` needs."""
    return _complete(access.visible(person, "see_request", ApprovalRequest.objects.all()))


def inbox(person: Principal) -> QuerySet[ApprovalRequest]:
    """Open requests with a seat that is for the person: escalated ones first, then by deadline.

    `urgency` is the column to order and page by.
    """
    names = _seats_for(person)
    mine = Q(pk__in=Seat.objects.filter(role__in=names).values("request"))
    gone_on = Q(pk__in=Alternative.objects.filter(role__in=names).values("request"))
    rows = requests(person).filter(mine | gone_on, status=RequestStatus.OPEN)
    return rows.annotate(urgency=_URGENCY).order_by("urgency", "due_at", "pk")


def decidable(person: Principal) -> QuerySet[ApprovalRequest]:
    """Of the inbox what the person has no hand in and has not decided: in all likelihood theirs to decide."""
    own = str(person.pk)
    rows = inbox(person).exclude(decisions__person=person.pk)
    for hand in ("requesters", "authors", "through"):
        rows = rows.exclude(**{f"{hand}__has_key": own})
    return rows


def owed_by_teams(person: Principal) -> QuerySet[ApprovalRequest]:
    """The open requests that are a matter of the person's teams: the case's team, else the playbook's."""
    teams = teams_of([person.pk])[person.pk]
    of_case = Q(run__case__team__in=teams)
    of_playbook = Q(run__case__team=None, run__version__playbook__team__in=teams)
    rows = requests(person).filter(of_case | of_playbook, status=RequestStatus.OPEN)
    return rows.annotate(urgency=_URGENCY).order_by("urgency", "due_at", "pk")


def _seats_for(person: Principal) -> set[str]:
    """Which seats are for the person: by their roles, or as somebody who is meant or stands in for such a one."""
    now = timezone.now()
    standing_in = map(UUID, substitutions([person.pk]).at(person.pk, now))
    return {*access.roles_of([person.pk])[person.pk], *names_of([person.pk, *standing_in], now)}


def requested_by(person: Principal) -> QuerySet[ApprovalRequest]:
    """What the person's own runs ask for, newest first: whatever their roles, they may see what became of it."""
    rows = access.within_reach(person, ApprovalRequest.objects.filter(run__requested_by=person.pk))
    return _complete(rows).order_by("-opened_at", "-pk")


def views(rows: Sequence[ApprovalRequest], person: Principal) -> list[RequestView]:
    """The rows as `person` sees them, in as many queries for many as for one."""
    facts = facts_to_approve(person, rows)
    seen = _Seen(person, access.may(person, "see_audit"), unfilled(rows, timezone.now()))
    return [_view(row, denials(facts[row.pk]), seen) for row in rows]


def request_view(request: UUID, person: Principal) -> RequestView | None:
    """None where there is no such request or the person may not know of it."""
    row = requests(person).filter(pk=request).first()
    return views([row], person)[0] if row else None


_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_URGENCY = Case(
    When(escalated_at__isnull=False, then=Value(_FIRST)), default=F("due_at"), output_field=DateTimeField()
)


def _complete(rows: QuerySet[ApprovalRequest]) -> QuerySet[ApprovalRequest]:
    of_run = ("run__version__playbook__team", "run__case__team", "run__alert", "run__requested_by")
    about = ("step", *of_run, "previous__asked_again_by")
    seats = Seat.objects.select_related("filled_by").order_by("position")
    decisions = Decision.objects.order_by("decided_at", "pk")
    before = Decision.objects.order_by("decided_at", "pk")
    return rows.select_related(*about).prefetch_related(
        Prefetch("seats", seats),
        Prefetch("decisions", decisions),
        Prefetch("previous__decisions", before),
        "alternatives",
    )


@lru_cache(maxsize=1)
def _actions() -> Catalogue:
    return catalogue()


@dataclass(frozen=True, slots=True)
class _Seen:
    """By whom, and what all the rows need."""

    person: Principal
    with_addresses: bool
    unfilled: Mapping[UUID, tuple[str, ...]]


def _view(row: ApprovalRequest, forbidden: tuple[Denial, ...], seen: _Seen) -> RequestView:
    person = seen.person
    subject, is_open = json.loads(row.subject), row.status == RequestStatus.OPEN
    own = [each for each in row.decisions.all() if each.person_id == person.pk and each.stands]
    return RequestView(
        id=row.pk,
        run=row.run_id,
        step=row.step.key,
        status=row.status,
        question=row.question,
        digest=row.digest,
        subject=subject,
        items=tuple(_item(each) for each in subject["covered"]),
        not_covered=tuple(subject["not_covered"]),
        shown=row.shown,
        seats=_seats(row, subject, seen.unfilled[row.pk] if is_open else ()),
        gone_on_to=tuple(references.role_title(each.role) for each in row.alternatives.all()),
        decisions=tuple(_decision(each, seen.with_addresses) for each in row.decisions.all()),
        denials_to_end=row.denials_to_end,
        previous=_previous(row.previous, seen.with_addresses),
        requested_by=references.person(row.run.requested_by),
        requesters=tuple(row.requesters.values()),
        authors=tuple(row.authors.values()),
        version=references.version(row.run.version),
        case=references.case(row.run.case),
        alert=references.alert(row.run.alert),
        simulated=row.run.is_simulated,
        opened_at=row.opened_at,
        due_at=row.due_at,
        escalated_at=row.escalated_at,
        closed_at=row.closed_at,
        profile=row.profile,
        late=row.late,
        late_sentence=NOT_COUNTERSIGNED if row.countersigns else LATE_SENTENCES[row.late],
        step_up=demanded(subject),
        countersigns=row.countersigns,
        may_withdraw_decision=is_open and bool(own),
        may_withdraw=is_open and str(person.pk) in row.requesters,
        may_ask_again=_may_ask_again(row),
        may_decide=not forbidden,
        denial=forbidden[0] if forbidden else None,
        denials=forbidden,
    )


def _may_ask_again(row: ApprovalRequest) -> bool:
    is_over = row.previous_id or row.asked_again_at or row.countersigns
    return row.status == RequestStatus.DENIED and not is_over


def _item(covered: Mapping[str, Any]) -> Item:
    action = _actions().get(covered["action"])
    return Item(
        step=covered["step"],
        action=covered["action"],
        label=action.label if action else covered["action"],
        effect=covered["effect"],
        connection=covered["connection"]["name"],
        connection_revision=covered["connection"]["revision"],
        target=covered["target"],
        parameters=covered["parameters"],
        undo=_undo_sentence(covered["undo"]),
        reversible=not isinstance(covered["undo"], str),
        simulated=covered["simulated"],
    )


def _undo_sentence(undo: Mapping[str, Any] | str) -> str:
    """The subject holds the call that would take the action back, or a sentence that says why there is none."""
    if isinstance(undo, str):
        return undo
    inverse = _actions().get(undo["action"])
    label = inverse.label if inverse else "Undo"
    parameters = ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}"
        for name, value in undo["parameters"].items()
    )
    return f"Can be taken back: {label} ({undo['action']}) through {undo['connection']['name']} with {parameters}."


def _seats(row: ApprovalRequest, subject: Mapping[str, Any], unfilled: Sequence[str]) -> tuple[SeatView, ...]:
    """`unfilled` names as many seats as nobody could take: the last ones of that name that are empty."""
    left, found = Counter(unfilled), []
    sources = sources_of(row, subject)
    for seat in reversed(row.seats.all()):
        is_fillable = seat.filled_by is not None or not left[seat.role]
        left[seat.role] -= not is_fillable
        found.append(_seat(seat, sources[seat.position], is_fillable))
    return tuple(reversed(found))


def _seat(seat: Seat, source: str, is_fillable: bool) -> SeatView:
    by = seat.filled_by
    return SeatView(
        role=seat.role,
        title=references.role_title(seat.role),
        source=source,
        is_fillable=is_fillable,
        filled_by=by.username if by else None,
        filled_by_name=str(by) if by else None,
    )


def _decision(decision: Decision, with_address: bool) -> DecisionView:
    withdrawal: Withdrawal | None = getattr(decision, "withdrawal", None)
    return DecisionView(
        person=decision.person_name,
        verdict=decision.verdict,
        comment=decision.comment,
        digest=decision.digest,
        decided_at=decision.decided_at,
        address=(decision.address or "") if with_address else "",
        withdrawn_at=withdrawal.withdrawn_at if withdrawal else None,
        withdrawn_because=withdrawal.reason if withdrawal else "",
    )


def _previous(row: ApprovalRequest | None, with_addresses: bool) -> Previous | None:
    if row is None:
        return None
    decisions = tuple(_decision(each, with_addresses) for each in row.decisions.all())
    return Previous(row.pk, decisions, row.evidence, str(row.asked_again_by or ""))
