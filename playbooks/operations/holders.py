"""Who holds a target: what several runs changed alike, for a time, is taken back when the last of them lets go.

Only steps that say when they expire take part (docs/decisions).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from django.db.models import QuerySet

from playbooks.domain.canonical import digest
from playbooks.domain.rollback import Done, Kept, UndoCall
from playbooks.domain.statuses import EXPIRY_OVER, ExpiryStatus, StepStatus
from playbooks.domain.verbs import Verb
from playbooks.models import Attempt, Expiry, Run, Step
from playbooks.operations.change import Change
from playbooks.operations.moves import move

TAKEN_BACK = "Its time has come, and it is being taken back already."


def target_of(undo: UndoCall, *, is_simulated: bool) -> str:
    """The same for all who would take the same thing back. What was only simulated never holds what is real."""
    call = {"action": undo.action, "connection": undo.connection, "parameters": dict(undo.parameters)}
    return digest({**call, "simulated": is_simulated})


def others(step: Step, target: str) -> QuerySet[Expiry]:
    """The changes by other steps that hold the target still, the longest first."""
    active = Expiry.objects.filter(target=target, status=ExpiryStatus.ACTIVE).exclude(step=step)
    held = active.exclude(step__undone_by__status=StepStatus.SUCCEEDED)
    return held.select_related("step__run__version__playbook").order_by("-due_at")


def of_target(target: str) -> list[Expiry]:
    """All that count for the target, locked in one order."""
    rows = Expiry.objects.select_for_update(of=("self",)).filter(target=target)
    return list(rows.exclude(status__in=EXPIRY_OVER).select_related("step__run").order_by("pk"))


def why_kept(original: Step, undo: UndoCall, *, is_simulated: bool) -> str:
    """Why the undo of `original` has to wait for others, empty when it has not."""
    if not Expiry.objects.filter(step=original).exists():
        return ""
    target = target_of(undo, is_simulated=is_simulated)
    return _sentence(others(original, target).exclude(step__run=original.run_id))


def judged(run: Run, done: Sequence[Done], attempts: Mapping[str, Attempt]) -> list[Done]:
    """What of `done` the run may take back: not what others hold still, and also what others have left to it."""
    targets = {
        each.key: target_of(each.undo, is_simulated=attempts[each.key].is_simulated)
        for each in done
        if isinstance(each.undo, UndoCall)
    }
    rows = Expiry.objects.filter(target__in=set(targets.values())).exclude(status__in=EXPIRY_OVER)
    held: dict[str, list[Expiry]] = {}
    for row in rows.select_related("step__run__version__playbook").order_by("-due_at"):
        held.setdefault(row.target, []).append(row)
    return [
        _judged(run, each, targets[each.key], held[targets[each.key]])
        if each.key in targets and targets[each.key] in held
        else each
        for each in done
    ]


def let_go(change: Change, step: Step, kept: Kept) -> None:
    """The run is rolled back, and what others hold stays: whoever lets go last takes it back."""
    rows = of_target(kept.target)
    if not any(row.status == ExpiryStatus.ACTIVE and row.step.run_id != step.run_id for row in rows):
        return
    own = next(row for row in rows if row.step_id == step.pk)
    if own.status == ExpiryStatus.ACTIVE:
        move(own, ExpiryStatus.RELEASED)
        change.note_step(Verb.EXPIRY_RELEASED, step, sentence=kept.sentence)


def has_changed(step: Step) -> bool:
    return step.outputs.get("changed") is not False


def _judged(run: Run, done: Done, target: str, rows: Sequence[Expiry]) -> Done:
    own = next((row for row in rows if row.step.run_id == run.pk and row.step.key == done.key), None)
    if own is None:
        return done
    left = any(row.status == ExpiryStatus.RELEASED and has_changed(row.step) for row in rows)
    if not (done.changed or left):
        return done
    if own.status == ExpiryStatus.UNDOING:
        return replace(done, undo=Kept(TAKEN_BACK, target))
    sentence = _sentence(
        [row for row in rows if row.status == ExpiryStatus.ACTIVE and row.step.run_id != run.pk]
    )
    return replace(done, changed=True, undo=Kept(sentence, target) if sentence else done.undo)


def _sentence(rows: Sequence[Expiry] | QuerySet[Expiry]) -> str:
    """Of those who hold a target, the longest first."""
    found = list(rows)
    if not found:
        return ""
    also = f" and {len(found) - 1} more" if len(found) > 1 else ""
    verb = "hold" if also else "holds"
    return f"Kept: {found[0].step.run}{also} {verb} it until {found[0].due_at:%Y-%m-%d %H:%M} UTC."
