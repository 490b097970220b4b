"""The names that an expression of a running playbook sees (playbooks.md, Expressions)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from playbooks.domain.planner import Progress
from playbooks.domain.statuses import STEP_ENDED, StepStatus


def scope(
    *,
    context: Mapping[str, object],
    inputs: Mapping[str, object],
    run: Mapping[str, object],
    states: Mapping[str, Progress],
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
        "steps": _Steps(states),
        "now": now,
    }


@dataclass(frozen=True, slots=True)
class _Steps(Mapping[str, object]):
    """The steps that have ended, each looked at when an expression refers to it: most refer to none, or to one."""

    states: Mapping[str, Progress]

    def __getitem__(self, key: str) -> object:
        if self.states[key].status not in STEP_ENDED:
            raise KeyError(key)
        return _step(self.states[key])

    def __iter__(self) -> Iterator[str]:
        return (key for key, state in self.states.items() if state.status in STEP_ENDED)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _step(state: Progress) -> dict[str, object]:
    view: dict[str, object] = {"state": str(state.status)}
    if state.status != StepStatus.SUCCEEDED:
        return view
    view["outputs"] = dict(state.outputs)
    if "approvers" in state.outputs:
        view["approvers"] = state.outputs["approvers"]
    return view
