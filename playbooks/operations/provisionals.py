"""What runs before anybody is asked: it is counted at the claim, and when it has happened people are asked to
countersign. Unless they do it is taken back, by the same means as what was to last for a time only (expiries.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from playbooks.domain.actions import Effect
from playbooks.domain.policies.asking import together
from playbooks.domain.policies.document import Policy as Document
from playbooks.domain.policies.document import Provisional, wanted_of
from playbooks.domain.policies.judging import Matched
from playbooks.domain.statuses import RequestStatus, VersionStatus
from playbooks.domain.verbs import Verb
from playbooks.models import ApprovalRequest, Attempt, PermitUse, PolicyVersion, Step
from playbooks.operations import asks, expiries, requests
from playbooks.operations.actions import Call
from playbooks.operations.change import Change
from playbooks.operations.policy_rules import SHOWN
from playbooks.operations.rounds import Frame, open_frame
from playbooks.operations.undo_calls import covered_ran

LASTS = timedelta(days=92)  # without an end of its own: unlimited standing approval does not exist


def lasting(provisionals: Sequence[Matched], now: datetime) -> tuple[Matched, ...]:
    """Those that have not ended."""
    return tuple(each for each in provisionals if now < _ends_at(_version(each)))


def use(change: Change, frame: Frame, step: Step, call: Call, offered: Sequence[Matched], now: str) -> str:
    """The name of the provisional under which the step may run at once, empty where none lets it. Counts the use,
    once per step.

    Never for what destroys or cannot be undone, nor for a list of targets, which are counted one by one, nor for what
    people were asked about already. Locks the policy, so
    that two workers never take its last target both. Raises ExpressionError.
    """
    if not offered or call.action.effect is not Effect.CHANGE or call.breadth > 1 or _was_asked(step):
        return ""
    if isinstance(requests.covered_now(frame, step, now).undo, str):
        return ""
    for each in offered:
        version = _version(each, locks=True)
        if _has_room(version, each.provisional, step, call.target[:SHOWN]):
            _count(change, version, step, call.target[:SHOWN], each)
            return each.name
    return ""


def follow(change: Change, step: Step, attempt: Attempt) -> None:
    """After a step has succeeded: writes down when it is to be taken back, and asks people to countersign what ran
    before they were asked.
    """
    if not attempt.is_provisional:
        expiries.follow(change, step)
        return
    version = _used_by(step)
    document = Document.model_validate(version.document)
    minutes = document.provisional.minutes if document.provisional else 0
    due_at = expiries.hold_until(change, step, change.now + timedelta(minutes=minutes))
    asked = asks.of_calls(change.run, [covered_ran(step)], attempt.started_at)
    asking = together([*asked, _matched(version, document, attempt)])
    frame = open_frame(change.run, step.frame)
    requests.open_to_countersign(change, frame, step, asking, due_at)


def stand(change: Change, request: ApprovalRequest) -> None:
    """What ran is countersigned: it lasts as long as its playbook says."""
    expiries.let_stand(change, request.step)


def take_back(change: Change, request: ApprovalRequest) -> None:
    """What ran is not countersigned: it is taken back now."""
    expiries.hasten(change, request.step)


def _was_asked(step: Step) -> bool:
    """Of this step, or of the same one in the run of which this is a re-run: who was asked is waited for."""
    return step.requests.exists() or requests.denied_before(step) is not None


def _has_room(version: PolicyVersion, provisional: Provisional | None, step: Step, target: str) -> bool:
    """Countersigned targets make room for others. What was not countersigned does not, so that a policy at which
    nobody looks comes to its end; and what people denied is asked about before it is done again.
    """
    if provisional is None or version.status != VersionStatus.PUBLISHED:
        return False
    if version.uses.filter(step=step).exists():
        return True
    asked = ApprovalRequest.objects.filter(countersigns=True)
    denied = asked.filter(status=RequestStatus.DENIED).values("step")
    if version.uses.filter(target=target, step__in=denied).exists():
        return False
    granted = asked.filter(status=RequestStatus.GRANTED).values("step")
    standing = set(version.uses.exclude(step__in=granted).values_list("target", flat=True))
    return len({*standing, target}) <= provisional.targets


def _count(change: Change, version: PolicyVersion, step: Step, target: str, used: Matched) -> None:
    _, is_first = PermitUse.objects.get_or_create(
        version=version, step=step, defaults={"target": target, "used_at": change.now}
    )
    if is_first:
        facts = {"provisional": used.name, "digest": used.digest, "target": target}
        change.note_step(Verb.PROVISIONAL_USED, step, **facts)


def _version(matched: Matched, *, locks: bool = False) -> PolicyVersion:
    rows = PolicyVersion.objects.select_for_update(of=("self",)) if locks else PolicyVersion.objects.all()
    return rows.get(policy__slug=matched.slug, number=matched.number)


def _ends_at(version: PolicyVersion) -> datetime:
    until = version.document["provisional"].get("until")
    if until:
        return datetime.fromisoformat(until)
    return (version.published_at or version.created_at) + LASTS


def _used_by(step: Step) -> PolicyVersion:
    """The provisional under which the step ran last."""
    uses = step.permits.filter(version__document__has_key="provisional").select_related("version__policy")
    return uses.order_by("-used_at")[0].version


def _matched(version: PolicyVersion, document: Document, attempt: Attempt) -> Matched:
    """As a policy that asks for who countersigns."""
    connection = attempt.connection.name if attempt.connection else ""
    seats = wanted_of(document.provisional.seats if document.provisional else (), connection)
    return Matched(version.policy.slug, version.number, version.digest, document.title, seats=seats)
