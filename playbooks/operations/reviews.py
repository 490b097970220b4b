"""The review of a break-glass, by somebody without a hand in it."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from playbooks.access.glass import facts_to_review
from playbooks.domain.break_glass import review_denials
from playbooks.domain.verbs import Verb
from playbooks.models import BreakGlass, Finding, Principal
from playbooks.models.break_glass import BreakGlassReview
from playbooks.operations import idempotency
from playbooks.operations.approvals import open_change
from playbooks.operations.caller import Caller
from playbooks.operations.refusals import Invalid, Missing, Refused
from playbooks.operations.requests import request_subject


def review(
    glass: UUID, *, caller: Caller, finding: Finding, comment: str, idempotency_key: str = ""
) -> BreakGlassReview:
    """Says, once and for good, whether it was right to run past the gate.

    Raises Refused for whoever broke the glass, stood by, has a hand in it, or may not review; Invalid without a
    comment; Missing.
    """
    if not comment.strip():
        raise Invalid([("/comment", "Say what you have looked at, and what you found.")])
    person = str(caller.principal.pk)
    call = {"review": str(glass), "finding": finding.value, "comment": comment}
    with transaction.atomic(durable=True):
        now = timezone.now()
        request, change = open_change(_request_of(glass), now=now, actor_of=caller)
        row = BreakGlass.objects.select_related("request", "person").get(pk=glass)
        if idempotency.recall(person, idempotency_key, call):
            return BreakGlassReview.objects.get(break_glass=row)
        facts = facts_to_review(
            Principal.objects.get(pk=caller.principal.pk), row, by_token=caller.token is not None
        )
        caller.require_within_reach(request, f"break-glass {glass}")
        if forbidden := review_denials(facts):
            raise Refused(*forbidden)
        made = BreakGlassReview.objects.create(
            break_glass=row,
            reviewer=caller.principal,
            reviewer_name=str(caller.principal),
            finding=finding.value,
            comment=comment,
            reviewed_at=now,
            facts=facts.as_json(),
        )
        told = {"request": str(request.pk), "finding": finding.value, "comment": comment}
        change.note(
            Verb.BREAK_GLASS_REVIEWED,
            subject=request_subject(request),
            facts={**told, "review_facts": facts.as_json()},
        )
        idempotency.keep(person, idempotency_key, call, {"review": str(made.pk)}, now=now)
        change.finish()
    return made


def _request_of(glass: UUID) -> UUID:
    row = BreakGlass.objects.filter(pk=glass).first()
    if row is None:
        raise Missing(f"There is no break-glass {glass}.")
    return row.request_id
