"""What a reviewer reads first: how two documents of a playbook differ, what that does to governance on top.

Documents are plain data as playbook.document gives it. Every change is told: where a governance finding has the
old and the new value of a key, that key is not repeated among the changes of the step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

from playbooks.domain.actions import Catalogue
from playbooks.domain.canonical import canonical
from playbooks.domain.change_rules import Governance
from playbooks.domain.governance import Side, governance, side_of
from playbooks.domain.pins import Pins


@dataclass(frozen=True, slots=True)
class KeyChange:
    """`change` is added, removed or changed; `old` is None for what was added, `new` for what was removed."""

    key: str
    change: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class StepChange:
    """What is new in one step; in the playbook itself where `step` is empty. `change` is as of a KeyChange.

    Two keys are not written in a step: `inside`, the block that holds it, and `order`, in which its steps stand.
    """

    step: str
    change: str
    keys: tuple[KeyChange, ...]


@dataclass(frozen=True, slots=True)
class Differences:
    """`governance` has what weakens it first; `steps` are in the order of the newer document, removed ones last."""

    governance: tuple[Governance, ...]
    steps: tuple[StepChange, ...]


def differences(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    catalogue: Catalogue,
    *,
    old_pins: Pins | None = None,
    new_pins: Pins | None = None,
) -> Differences:
    """From `old` to `new`, both sound. An action that is not in the catalogue has no known effect."""
    before, after = side_of(old, old_pins or {}), side_of(new, new_pins or {})
    findings = governance(before, after, catalogue)
    told = {(each.step, each.key) for each in findings}
    return Differences(findings, tuple(_changes(before, after, told)))


def text_differences(old: str, new: str, *, old_name: str, new_name: str) -> str:
    """The same two versions as they were written: a unified diff with three lines around each change."""
    lines = unified_diff(old.splitlines(), new.splitlines(), old_name, new_name, lineterm="", n=3)
    return "".join(f"{line}\n" for line in lines)


def _changes(before: Side, after: Side, told: set[tuple[str, str]]) -> Iterator[StepChange]:
    names = ["", *after.steps, *(each for each in before.steps if each not in after.steps)]
    for step in names:
        old, new = _body(before, step), _body(after, step)
        keys = tuple(each for each in _key_changes(old or {}, new or {}) if (step, each.key) not in told)
        if old is None or new is None:
            yield StepChange(step, "added" if old is None else "removed", keys)
        elif orders := _order_change(before, after, step):
            yield StepChange(step, "changed", (*keys, orders))
        elif keys:
            yield StepChange(step, "changed", keys)


def _body(side: Side, step: str) -> Mapping[str, Any] | None:
    """The keys of a step, without the steps that it holds, or those of the playbook itself."""
    if step and step not in side.steps:
        return None
    body = side.steps[step] if step else side.document
    inside = {"inside": side.blocks[step]} if step and side.blocks[step] else {}
    return {**{key: value for key, value in body.items() if key not in {"id", "steps"}}, **inside}


def _key_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[KeyChange]:
    for key in [*new, *(each for each in old if each not in new)]:
        if key not in old:
            yield KeyChange(key, "added", None, new[key])
        elif key not in new:
            yield KeyChange(key, "removed", old[key], None)
        elif canonical(old[key]) != canonical(new[key]):  # in Python, true is 1
            yield KeyChange(key, "changed", old[key], new[key])


def _order_change(before: Side, after: Side, block: str) -> KeyChange | None:
    """The order of the steps that stay in the block, where it is another one."""
    old, new = _held(before, block), _held(after, block)
    stayed = {*old} & {*new}
    was, now = ([each for each in ids if each in stayed] for ids in (old, new))
    return KeyChange("order", "changed", was, now) if was != now else None


def _held(side: Side, block: str) -> Sequence[str]:
    return [step for step, inside in side.blocks.items() if inside == block]
