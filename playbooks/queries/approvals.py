"""Approval requests as a person sees them: what would run, why, who is needed, what forbids deciding."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db.models import Case, DateTimeField, F, Prefetch, QuerySet, Value, When

from playbooks import access
from playbooks.access.facts import facts_to_approve
from playbooks.connectors.registry import catalogue
from playbooks.domain.actions import Catalogue
from playbooks.domain.duties import Denial, denials
from playbooks.domain.statuses import RequestStatus
from playbooks.models import ApprovalRequest, Late, Principal, Seat
from playbooks.models.decisions import Decision
from playbooks.queries import references
from playbooks.queries.references import AlertReference, CaseReference, Person, VersionReference

LATE_SENTENCES: Mapping[str, str] = {
    Late.DENY: "If nobody decides in time, it counts as denied.",
    Late.ESCALATE: "If nobody decides in time, it is put above all others and gets the same time once more.",
    Late.HOLD: "If nobody decides in time, it stays open, marked as late.",
}


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
    """`filled_by` is a username."""

    role: str
    title: str
    filled_by: str | None
    filled_by_name: str | None


@dataclass(frozen=True, slots=True)
class DecisionView:
    person: str
    verdict: str
    comment: str
    digest: str
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class RequestView:
    """`subject` is what `digest` is the SHA-256 of, in canonical form (RFC 8785); `items` say it for people.

    `denials` are all the duty rules that forbid the viewer to approve; the first is `denial`.
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
    decisions: tuple[DecisionView, ...]
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
    may_decide: bool
    denial: Denial | None
    denials: tuple[Denial, ...]


def requests(person: Principal) -> QuerySet[ApprovalRequest]:
    """Every request that the person may see, with all that `views` needs."""
    return _complete(access.visible(person, "see_request", ApprovalRequest.objects.all()))


def inbox(person: Principal) -> QuerySet[ApprovalRequest]:
    """Open requests with a seat that one of the person's roles fits: escalated ones first, then by deadline.

    `urgency` is the column to order and page by.
    """
    mine = Seat.objects.filter(role__in=access.roles_of([person.pk])[person.pk]).values("request")
    rows = requests(person).filter(status=RequestStatus.OPEN, pk__in=mine)
    return rows.annotate(urgency=_URGENCY).order_by("urgency", "due_at", "pk")


def requested_by(person: Principal) -> QuerySet[ApprovalRequest]:
    """What the person's own runs ask for, newest first: everybody may see what became of it."""
    return _complete(ApprovalRequest.objects.filter(run__requested_by=person.pk)).order_by(
        "-opened_at", "-pk"
    )


def views(rows: Sequence[ApprovalRequest], person: Principal) -> list[RequestView]:
    """The rows as `person` sees them, in two queries for all."""
    facts = facts_to_approve(person, rows)
    return [_view(row, denials(facts[row.pk])) for row in rows]


def request_view(request: UUID, person: Principal) -> RequestView | None:
    """None where there is no such request or the person may not know of it."""
    row = requests(person).filter(pk=request).first()
    return views([row], person)[0] if row else None


_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_URGENCY = Case(
    When(escalated_at__isnull=False, then=Value(_FIRST)), default=F("due_at"), output_field=DateTimeField()
)


def _complete(rows: QuerySet[ApprovalRequest]) -> QuerySet[ApprovalRequest]:
    about = ("step", "run__version__playbook", "run__case", "run__alert", "run__requested_by")
    seats = Seat.objects.select_related("filled_by").order_by("position")
    decisions = Decision.objects.order_by("decided_at", "pk")
    return rows.select_related(*about).prefetch_related(
        Prefetch("seats", seats), Prefetch("decisions", decisions)
    )


@lru_cache(maxsize=1)
def _actions() -> Catalogue:
    return catalogue()


def _view(row: ApprovalRequest, forbidden: tuple[Denial, ...]) -> RequestView:
    subject = json.loads(row.subject)
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
        seats=tuple(_seat(each) for each in row.seats.all()),
        decisions=tuple(_decision(each) for each in row.decisions.all()),
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
        late_sentence=LATE_SENTENCES[row.late],
        may_decide=not forbidden,
        denial=forbidden[0] if forbidden else None,
        denials=forbidden,
    )


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


def _seat(seat: Seat) -> SeatView:
    by = seat.filled_by
    return SeatView(
        role=seat.role,
        title=references.role_title(seat.role),
        filled_by=by.username if by else None,
        filled_by_name=str(by) if by else None,
    )


def _decision(decision: Decision) -> DecisionView:
    return DecisionView(
        decision.person_name, decision.verdict, decision.comment, decision.digest, decision.decided_at
    )
