"""Turns that end in the transaction in which they begin count like all others."""

from __future__ import annotations

from collections.abc import Callable

from playbooks import executor
from playbooks.domain.statuses import RunStatus, StepStatus, WaitReason
from playbooks.models import Run

Begin = Callable[..., Run]


def driven(run: Run) -> Run:
    executor.drive(run.pk, worker="test")
    run.refresh_from_db()
    return run


def test_items_that_fail_at_once_fail_their_block(begin: Begin) -> None:
    run = driven(
        begin("  - id: all\n    each: [1, 2]\n    steps: [{id: half, set: {value: '${ 1 / 0 }'}}]\n")
    )
    block = run.steps.get(key="all")
    assert (run.status, block.status) == (RunStatus.FAILED, StepStatus.FAILED)
    assert block.outputs["failed"] == 1
    assert "divides by zero" in block.sentence


def test_turns_that_end_at_once_and_never_suffice_fail_their_block(begin: Begin) -> None:
    steps = "  - id: watch\n    repeat: {until: turn > 9, most: 2}\n    steps: [{id: look, set: {turn: '${ turn }'}}]\n"
    run = driven(begin(steps))
    assert run.status == RunStatus.FAILED
    assert "it is still not over" in run.steps.get(key="watch").sentence


def test_turns_that_end_at_once_keep_their_pause(begin: Begin) -> None:
    loop = "{until: turn > 1, most: 3, every: 30s}"
    run = driven(
        begin(f"  - id: watch\n    repeat: {loop}\n    steps: [{{id: look, set: {{turn: '${{ turn }}'}}}}]\n")
    )
    watch = run.steps.get(key="watch")
    assert (watch.wait_reason, watch.turns.count()) == (WaitReason.TURNS, 2)
    assert not run.steps.filter(key="watch[1].look").exists()
