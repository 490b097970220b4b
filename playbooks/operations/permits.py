"""Using a permit: what was agreed to beforehand runs without an approval, so often, on so many targets, and so long."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from playbooks.domain.policies.document import Permit
from playbooks.domain.policies.judging import Matched
from playbooks.domain.statuses import VersionStatus
from playbooks.domain.verbs import Verb
from playbooks.models import PermitUse, PolicyVersion, Step
from playbooks.operations.actions import Call
from playbooks.operations.change import Change
from playbooks.operations.policy_rules import SHOWN, Acting


def use(change: Change, step: Step, call: Call, permits: Sequence[Matched]) -> str:
    """The name of the permit under which the step runs, empty where none is left. Counts the use, once per step.

    Locks the permit, so that two workers never take its last use both.
    """
    for each in permits:
        version = PolicyVersion.objects.select_for_update(of=("self",)).get(
            policy__slug=each.slug, number=each.number
        )
        is_one = call.breadth == 1  # a permit counts targets one by one: whoever lists many asks people
        target = call.target[:SHOWN]
        if each.permit is not None and is_one and _is_left(version, each.permit, step, target, change.now):
            _count(change, version, step, target, each)
            return each.name
    return ""


def would_permit(permit: Matched, acting: Acting, now: datetime) -> bool:
    """Whether the permit would let another step do it, without counting it."""
    version = PolicyVersion.objects.filter(policy__slug=permit.slug, number=permit.number).first()
    if version is None or permit.permit is None or acting.breadth > 1:
        return False
    return _is_left(version, permit.permit, None, acting.target[:SHOWN], now)


def _is_left(version: PolicyVersion, permit: Permit, step: Step | None, target: str, now: datetime) -> bool:
    if version.status != VersionStatus.PUBLISHED or now >= datetime.fromisoformat(permit.until):
        return False
    if step is not None and version.uses.filter(step=step).exists():
        return True
    used = list(version.uses.values_list("target", flat=True))
    return len(used) < permit.times and len({*used, target}) <= permit.targets


def _count(change: Change, version: PolicyVersion, step: Step, target: str, permit: Matched) -> None:
    _, is_first = PermitUse.objects.get_or_create(
        version=version, step=step, defaults={"target": target, "used_at": change.now}
    )
    if is_first:
        change.note_step(Verb.PERMIT_USED, step, permit=permit.name, digest=permit.digest, target=target)
