"""What was passed by break-glass, until when its review is due, and who may make it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import F, QuerySet
from django.utils import timezone

from playbooks import access
from playbooks.access import glass as facts
from playbooks.domain.break_glass import HOLDERS_NEEDED, review_denials, review_due_at
from playbooks.domain.duties import Denial
from playbooks.models import ApprovalRequest, BreakGlass, Principal
from playbooks.models.break_glass import BreakGlassReview
from playbooks.queries import references
from playbooks.queries.references import CaseReference, Person


@dataclass(frozen=True, slots=True)
class ReviewView:
    reviewer: str
    finding: str
    comment: str
    reviewed_at: datetime


@dataclass(frozen=True, slots=True)
class GlassView:
    """Somebody ran past a gate. `due_at` is until when its review is due; `denials` keep the viewer from making it.

    `owes_receipt` says that something was destroyed before its evidence was signed, `settled_at` since when it is.
    """

    id: UUID
    request: UUID
    question: str
    run: UUID
    case: CaseReference
    by: Person | None
    second: Person | None
    reason: str
    digest: str
    broken_at: datetime
    until: datetime
    owes_receipt: bool
    settled_at: datetime | None
    due_at: datetime
    is_overdue: bool
    review: ReviewView | None
    may_review: bool
    denials: tuple[Denial, ...]


def passed(person: Principal) -> QuerySet[BreakGlass]:
    """All that the person may know of: those to be reviewed first, the oldest first, then the newest of the others."""
    seen = access.visible(person, "see_request", ApprovalRequest.objects.all())
    rows = BreakGlass.objects.filter(request__in=seen)
    about = ("request__run__case", "person", "second", "review")
    return rows.select_related(*about).order_by(F("review__reviewed_at").desc(nulls_first=True), "broken_at")


def to_review(person: Principal) -> QuerySet[BreakGlass]:
    return passed(person).filter(review=None)


def of_request(request: UUID, person: Principal) -> GlassView | None:
    """How a request was passed; None where it was not, or the person may not know of it."""
    row = passed(person).filter(request=request).first()
    return views([row], person)[0] if row else None


def glass_view(pk: UUID, person: Principal) -> GlassView | None:
    row = passed(person).filter(pk=pk).first()
    return views([row], person)[0] if row else None


def views(rows: Sequence[BreakGlass], person: Principal) -> list[GlassView]:
    now = timezone.now()
    return [_view(row, person, now) for row in rows]


def overdue() -> int:
    """How many reviews are late: until they are made, the next break-glass takes a second holder."""
    return facts.overdue_reviews(timezone.now()).count()


def complaints() -> list[str]:
    """What is wrong with break-glass here, for the doctor."""
    found = []
    keyed = len(facts.holders_with_passkeys())
    if keyed < HOLDERS_NEEDED:
        found.append(
            f"{keyed} people hold the right to break the glass and have a passkey here, and it takes {HOLDERS_NEEDED}: "
            "without them nothing urgent runs while the identity provider is down. Give the role break-glass with "
            "manage.py person, and let them register passkeys."
        )
    if late := overdue():
        found.append(
            f"{late} break-glass review{'s are' if late > 1 else ' is'} overdue. Somebody without a hand in it "
            "makes it on the page Reviews."
        )
    return found


def _view(row: BreakGlass, person: Principal, now: datetime) -> GlassView:
    case = row.request.run.case
    due_at = review_due_at(row.broken_at, case.closed_at)
    review: BreakGlassReview | None = getattr(row, "review", None)
    forbidden = review_denials(facts.facts_to_review(person, row))
    return GlassView(
        id=row.pk,
        request=row.request_id,
        question=row.request.question,
        run=row.request.run_id,
        case=references.case(case),
        by=references.person(row.person),
        second=references.person(row.second),
        reason=row.reason,
        digest=row.digest,
        broken_at=row.broken_at,
        until=row.until,
        owes_receipt=row.owes_receipt,
        settled_at=row.settled_at,
        due_at=due_at,
        is_overdue=review is None and due_at <= now,
        review=_review(review) if review else None,
        may_review=not forbidden,
        denials=forbidden,
    )


def _review(row: BreakGlassReview) -> ReviewView:
    return ReviewView(row.reviewer_name, row.finding, row.comment, row.reviewed_at)
