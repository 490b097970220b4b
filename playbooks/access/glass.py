"""What break-glass looks at, read fresh: who holds the right, which reviews are late, and who may make one.

Showing who may review and reviewing use the same facts and the same rules.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet

from playbooks import access
from playbooks.access import factors
from playbooks.access.identities import accounts_of
from playbooks.domain.break_glass import COOLING, REVIEW_AFTER_CASE, REVIEW_AT_MOST, ReviewFacts
from playbooks.models import BreakGlass, Membership, Principal, PrincipalKind

BREAK, REVIEW = "break_glass", "review_break_glass"


def holders(permission: str) -> list[Principal]:
    """The active people whose roles give the permission, by name."""
    found = Principal.objects.filter(
        is_active=True,
        kind=PrincipalKind.PERSON,
        memberships__group__permissions__codename=permission,
        memberships__group__permissions__content_type__app_label="playbooks",
    )
    return list(found.distinct().order_by("username"))


def holders_with_passkeys() -> list[Principal]:
    """Those who can break the glass also while the identity provider is down."""
    return factors.people_with_passkeys(holders(BREAK))


def overdue_reviews(now: datetime) -> QuerySet[BreakGlass]:
    """Those whose review is late: the same as `review_due_at` in the past."""
    day_ago = now - REVIEW_AFTER_CASE
    is_late = Q(broken_at__lte=now - REVIEW_AT_MOST)
    is_late |= Q(request__run__case__closed_at__lte=day_ago, broken_at__lte=day_ago)
    return BreakGlass.objects.filter(is_late, review=None)


def facts_to_review(person: Principal, glass: BreakGlass, *, by_token: bool = False) -> ReviewFacts:
    own = accounts_of([person.pk])[person.pk]
    return ReviewFacts(
        reviewer=str(person.pk),
        is_active=person.is_active,
        is_person=person.is_person,
        by_token=by_token,
        may_review=access.may(person, REVIEW),
        accounts=frozenset(map(str, own)),
        users=frozenset(str(each) for each in (glass.person_id, glass.second_id) if each),
        influential=_influential(glass),
        is_reviewed=hasattr(glass, "review"),
    )


def _influential(glass: BreakGlass) -> dict[str, str]:
    """{id: what they did} of everybody who has a hand in what was passed, or in that it could be."""
    request = glass.request
    lately = Membership.objects.filter(
        principal=glass.person,
        granted_at__gt=glass.broken_at - COOLING,
        granted_by__isnull=False,
        group__permissions__codename=BREAK,
    )
    return {
        **{
            str(each): "gave the right to break the glass"
            for each in lately.values_list("granted_by", flat=True)
        },
        **dict.fromkeys(request.through, "put in force what started the run"),
        **dict.fromkeys(request.authors, "wrote the playbook"),
        **dict.fromkeys(request.requesters, "asked for the run"),
    }
