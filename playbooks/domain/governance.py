"""What a change of a playbook does to governance: who decides, what they answer for, what can be taken back.

Each rule gives findings in sentences for a reviewer. A change that none of them knows is still told, by differences.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from playbooks.domain.actions import Catalogue, Effect
from playbooks.domain.change_rules import (
    RULES,
    Findings,
    Governance,
    Severity,
    Step,
    effect_of,
    listed,
    listed_seats,
    roles_of,
)
from playbooks.domain.coverage import gates_of, guarded_steps
from playbooks.domain.kinds import KINDS
from playbooks.domain.pins import Pins
from playbooks.domain.playbook import Playbook


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two documents: its steps on every level and the block that holds each, in the order written."""

    document: Mapping[str, Any]
    pins: Pins
    steps: Mapping[str, Step]
    blocks: Mapping[str, str]


def side_of(document: Mapping[str, Any], pins: Pins) -> Side:
    found = list(_walk(document["steps"], ""))
    return Side(
        document,
        pins,
        {step["id"]: step for step, _ in found},
        {step["id"]: block for step, block in found},
    )


def governance(before: Side, after: Side, catalogue: Catalogue) -> tuple[Governance, ...]:
    """Every finding, what weakens governance first, then in the order of the newer document."""
    found: list[Governance] = []
    for step_id in [*after.steps, *(each for each in before.steps if each not in after.steps)]:
        found += _of_step(step_id, before, after, catalogue)
    found += [*_of_guards(before, after, catalogue), *_of_playbook(before, after)]
    rank = list(Severity)
    return tuple(sorted(found, key=lambda each: rank.index(each.severity)))


def kind_of(step: Step) -> str:
    return next(kind for kind in KINDS if kind in step)


def _walk(steps: list[Step], block: str) -> Iterator[tuple[Step, str]]:
    for step in steps:
        yield step, block
        yield from _walk(step.get("steps", []), step["id"])


def _of_playbook(before: Side, after: Side) -> Findings:
    old, new = (side.document.get("on_failure", "stop") for side in (before, after))
    if old != new:
        severity = Severity.WEAKENED if new == "stop" else Severity.STRENGTHENED
        does = {"stop": "stops and leaves what it did", "rollback": "is rolled back"}
        yield Governance("", "on_failure", severity, f"A run that fails {does[new]}.", old, new)
    was, now = (side.document.get("triggers", []) for side in (before, after))
    if was != now:
        sentence = f"It starts by itself on: {_conditions(now)} (before: {_conditions(was)})."
        yield Governance("", "triggers", Severity.CHANGED, sentence, was or None, now or None)


def _conditions(triggers: list[Mapping[str, str]]) -> str:
    return " · ".join(each["alert"] for each in triggers) or "nothing"


def _of_step(step_id: str, before: Side, after: Side, catalogue: Catalogue) -> Findings:
    old, new = before.steps.get(step_id), after.steps.get(step_id)
    if old is None or new is None or kind_of(old) != kind_of(new):
        if old is not None:
            yield from _gone(old)
        if new is not None:
            yield from _come(new, catalogue)
        return
    for rule in RULES[kind_of(new)]:
        yield from rule(old, new, catalogue)
    if kind_of(new) == "run":
        yield from _pin(old, new, before.pins, after.pins)


def _gone(old: Step) -> Findings:
    if "approve" in old:
        sentence = f"Gate '{old['id']}' is gone: nobody is asked “{old['approve']}” any more."
        yield Governance(old["id"], "", Severity.WEAKENED, sentence, dict(old))


def _come(new: Step, catalogue: Catalogue) -> Findings:
    if "approve" in new:
        sentence = f"Gate '{new['id']}' is new: {listed_seats(roles_of(new))} approve."
        yield Governance(new["id"], "", Severity.STRENGTHENED, sentence, None, dict(new))
    effect = effect_of(new, catalogue)
    if effect in {Effect.CHANGE, Effect.DESTROY}:
        sentence = f"Step '{new['id']}' is new: {new['do']}, whose effect is {effect}."
        yield Governance(new["id"], "", Severity.CHANGED, sentence, None, dict(new))
    if "run" in new:
        sentence = f"Step '{new['id']}' is new: it runs the playbook {new['run']}."
        yield Governance(new["id"], "", Severity.CHANGED, sentence, None, dict(new))


def _pin(old: Step, new: Step, old_pins: Pins, new_pins: Pins) -> Findings:
    was, now = old_pins.get(old["run"]), new_pins.get(new["run"])
    if old["run"] != new["run"] or was is None or now is None or was["digest"] == now["digest"]:
        return
    sentence = (
        f"Step '{new['id']}' runs version {now['number']} of {new['run']} instead of version {was['number']}"
    )
    sentence += "." if was["number"] != now["number"] else ", which runs other versions of others."
    yield Governance(new["id"], "pins", Severity.CHANGED, sentence, was["number"], now["number"])


def _of_guards(before: Side, after: Side, catalogue: Catalogue) -> Findings:
    """What acts, and can or cannot run any more without an approval before it."""
    was, now = (_Guards(Playbook.model_validate(dict(side.document))) for side in (before, after))
    for step_id, step in after.steps.items():
        if not _acts(step, catalogue):
            continue
        old = was.of(step_id) if step_id in before.steps and _acts(before.steps[step_id], catalogue) else None
        yield from _guard(step_id, old, now.of(step_id))


class _Guards:
    """Which gates answer for the steps of a playbook."""

    def __init__(self, playbook: Playbook) -> None:
        self._playbook = playbook
        self._guarded = guarded_steps(playbook)

    def of(self, step: str) -> tuple[str, ...]:
        """The nearest gates before a step that cannot run without a grant; none for one that can."""
        return gates_of(self._playbook, step) if step in self._guarded else ()


def _guard(step: str, old: tuple[str, ...] | None, new: tuple[str, ...]) -> Findings:
    """`old` is None for a step that did not act before."""
    if old == new or (old is None and new):
        return
    gates = f"behind {listed(new)}" if new else "behind no gate that always has to be granted"
    before = f" (before: {listed(old)})" if old else ""
    severity = Severity.CHANGED if old and new else Severity.STRENGTHENED if new else Severity.WEAKENED
    yield Governance(
        step, "guard", severity, f"Step '{step}' is {gates}{before}.", list(old or ()), list(new)
    )


def _acts(step: Step, catalogue: Catalogue) -> bool:
    """Whether a step may do more than read or tell somebody."""
    effect = effect_of(step, catalogue)
    return "run" in step or effect in {Effect.CHANGE, Effect.DESTROY} or ("do" in step and effect is None)
