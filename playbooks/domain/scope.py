"""The names that an expression of a running playbook sees (playbooks.md, Expressions)."""

from __future__ import annotations

from collections.abc import Mapping

from playbooks.domain.planner import State
from playbooks.domain.statuses import STEP_ENDED, StepStatus


def scope(
    *,
    context: Mapping[str, object],
    inputs: Mapping[str, object],
    run: Mapping[str, object],
    states: Mapping[str, State],
    now: str,
) -> dict[str, object]:
    """`context` holds `alert` and `case`; `now` is RFC 3339. A step that did not succeed has no `outputs`, so
    that reading them is an error with a sentence and never an empty string. A step that has not ended is not
    there: what refers to it is not known yet when a gate before it opens, and not "pending".
    """
    return {
        **context,
        "inputs": dict(inputs),
        "run": dict(run),
        "steps": {key: _step(state) for key, state in states.items() if state.status in STEP_ENDED},
        "now": now,
    }


def _step(state: State) -> dict[str, object]:
    view: dict[str, object] = {"state": state.status.value}
    if state.status is not StepStatus.SUCCEEDED:
        return view
    view["outputs"] = dict(state.outputs)
    if "approvers" in state.outputs:
        view["approvers"] = state.outputs["approvers"]
    return view
