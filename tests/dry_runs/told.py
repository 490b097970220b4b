"""What a real run did and what a dry run told, in one form, so that they can be compared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from playbooks.domain.dry_runs.record import PathStep
from playbooks.domain.statuses import RunStatus
from playbooks.models import ApprovalRequest, Attempt, Run, Step
from playbooks.operations.dry_runs import DryRun

# What a run is called, and who did what in it, only a real one knows.
NAMES = {
    r"[0-9a-f]{8}-[0-9a-f-]{27}": "RUN",
    r"dry-run[^/ \"]*": "RUN",
    r"Denied by Tier2: As was chosen\.": "Denied, as was chosen.",
    r'"(approvers)": \[[^]]*\]': r'"\1": []',
    r'"answered_by": "[^"]*"': '"answered_by": ""',
}
_AS_TOLD = {"succeeded": "taken", "pending": "not_reached", "ready": "not_reached"}
_UNDOES = (RunStatus.ROLLING_BACK, RunStatus.ROLLED_BACK, RunStatus.ROLLBACK_FAILED)


def plain(value: Any) -> Any:
    text = json.dumps(value, sort_keys=True)
    for pattern, replacement in NAMES.items():
        text = re.sub(pattern, replacement, text)
    return json.loads(text)


def of_run(run: Run, within: str = "") -> dict[str, Any]:
    """{place: (status, sentence, outputs)} of every step, also of the runs that it started, and of each run.

    What a run came to that was stopped depends on when, which a dry run does not tell.
    """
    found: dict[str, Any] = {}
    for step in run.steps.filter(round=0).order_by("pk"):
        status = _AS_TOLD.get(step.status, step.status)
        found[f"{within}{step.key}"] = _step(status, step.sentence, step.outputs)
        for child in Run.objects.filter(parent=step, trigger="playbook").exclude(status="cancelled"):
            found |= of_run(child, f"{within}{step.key} › ")
    status = "failed" if run.status in _UNDOES else run.status
    return {**found, f"{within}": plain([status, run.sentence if status == "failed" else "", run.outputs])}


def of_dry_run(told: DryRun) -> dict[str, Any]:
    sentence = told.sentence if told.status == "failed" else ""
    return {**dict(_path(told.path, "")), "": plain([told.status, sentence, told.outputs])}


def _path(steps: Sequence[PathStep], within: str) -> Iterator[tuple[str, Any]]:
    for step in steps:
        yield f"{within}{step.key}", _step(step.status, step.sentence, dict(step.outputs))
        for turn in step.turns:
            yield from _path(turn.steps, within)
        if step.run is not None and step.run.status != "cancelled":
            inner = f"{within}{step.key} › "
            yield from _path(step.run.path, inner)
            sentence = step.run.sentence if step.run.status == "failed" else ""
            yield inner, plain([step.run.status, sentence, dict(step.run.outputs)])


def _step(status: str, sentence: str, outputs: Any) -> Any:
    """What is said of a step that waits for ever is for people, and differs."""
    return plain([status, "" if status == "waiting" else sentence, outputs])


def calls_of_run(run: Run) -> list[Any]:
    """What was sent, and what each request covered, of the run and those that it started: each once, sorted."""
    runs = [run, *_started(run)]
    sent = {each.step_id: each for each in Attempt.objects.filter(step__run__in=runs, step__round=0)}
    asked = ApprovalRequest.objects.filter(run__in=runs)
    return sorted(
        [
            *(json.dumps(plain([each.step.key, each.parameters])) for each in sent.values()),
            *(json.dumps(plain(_covered(json.loads(each.subject)))) for each in asked),
        ]
    )


def calls_of_dry_run(told: DryRun) -> list[Any]:
    return sorted(
        [
            *(json.dumps(plain([each.step.split(" › ")[-1], each.parameters])) for each in told.actions),
            *(
                json.dumps(plain([each.step.split(" › ")[-1], _parts(each.covered), list(each.not_covered)]))
                for each in told.approvals
            ),
        ]
    )


def _covered(subject: Any) -> Any:
    return [subject["gate"], _parts(subject["covered"]), subject["not_covered"]]


def _parts(covered: Sequence[Any]) -> Any:
    return [[each["step"], each["parameters"], each["undo"]] for each in covered]


def _started(run: Run) -> Iterator[Run]:
    for step in Step.objects.filter(run=run, round=0, kind="run"):
        for child in Run.objects.filter(parent=step, trigger="playbook"):
            yield child
            yield from _started(child)


def undone(run: Run) -> list[str]:
    """The steps that a rollback takes back, in its order."""
    return [step.key for step in run.steps.filter(round=1).order_by("position")]
