"""Striking: somebody who decides leaves single items out of a request. Nothing can ever be added to one.

What is left is another subject, so the request is put again, to be decided by everybody anew.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from playbooks.domain.statuses import StepStatus, Verdict
from playbooks.domain.verbs import Verb
from playbooks.models import ApprovalRequest, Run
from playbooks.operations import requests
from playbooks.operations.approvals import Vote, expire, open_change, recording_refusals, require_entitled
from playbooks.operations.caller import Caller
from playbooks.operations.change import Change
from playbooks.operations.refusals import Invalid


def strike(
    request: UUID, *, caller: Caller, steps: Collection[str], shown_digest: str, reason: str
) -> ApprovalRequest:
    """Leaves out `steps`, by their keys in the run, of the subject with `shown_digest`. Returns the request that is
    open instead.

    Raises Refused as `decide` does, Invalid without a reason, for items that the request does not list or that have
    begun, and for all of them at once.
    """
    if not reason.strip():
        raise Invalid([("/reason", "Say why, for those who decide on what is left.")])
    vote = Vote(request, caller, Verdict.DENY, shown_digest, reason)
    expire(request, now=timezone.now())
    with recording_refusals(vote), transaction.atomic(durable=True):
        row, change = open_change(request, now=timezone.now(), actor_of=caller)
        require_entitled(vote, row)
        _require_strikable(row, frozenset(steps))
        renewed = _strike(change, row, sorted(steps), f"Struck by {caller.principal}: {reason}")
        change.finish()
    return renewed


def _require_strikable(request: ApprovalRequest, steps: frozenset[str]) -> None:
    listed = [item["step"] for item in requests.stored_subject(request)["covered"]]
    unknown = sorted(steps.difference(listed))
    begun = _begun(request.run, steps)
    if unknown or begun:
        why = (
            f"{', '.join(unknown)}: not in this request."
            if unknown
            else f"{', '.join(begun)}: begun already."
        )
        raise Invalid([("/steps", f"{why} Open it again and choose of what it lists.")])
    if not steps or steps.issuperset(listed):
        raise Invalid([("/steps", "Choose some, and not all: to let nothing run, deny the request.")])


def _begun(run: Run, steps: Collection[str]) -> list[str]:
    rows = run.steps.filter(round=0, key__in=steps).exclude(status=StepStatus.PENDING)
    return sorted(rows.values_list("key", flat=True))


def _strike(change: Change, request: ApprovalRequest, steps: list[str], sentence: str) -> ApprovalRequest:
    run = change.run
    run.struck = {**run.struck, **dict.fromkeys(steps, sentence)}
    run.save(update_fields=["struck"])
    change.note(
        Verb.REQUEST_STRUCK,
        subject=requests.request_subject(request),
        facts={"request": str(request.pk), "steps": steps, "sentence": sentence, "digest": request.digest},
    )
    frozen_at = requests.stored_subject(request)["frozen_at"]
    return requests.renew(change, request, changed=f"struck: {', '.join(steps)}", frozen_at=frozen_at)
