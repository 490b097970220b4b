"""The second layer of the check: ids, order, actions and what they are given, gates before what destroys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from graphlib import CycleError, TopologicalSorter
from typing import Any

from jsonschema import Draft202012Validator

from playbooks.domain.actions import Action, Catalogue, Effect
from playbooks.domain.coverage import guarded_steps
from playbooks.domain.durations import duration_text, parse_duration
from playbooks.domain.expressions import ExpressionError, render, sources
from playbooks.domain.playbook import Playbook, Step, needs_of
from playbooks.domain.problems import Finding, nearest
from playbooks.domain.reader import Path

MAX_CYCLES = 10  # reported in one round
LONGEST_WAIT_BETWEEN_TRIES = timedelta(hours=1)
LONGEST_GATE = timedelta(days=365)


def step_findings(playbook: Playbook, catalogue: Catalogue, opaque: frozenset[str]) -> Iterator[Finding]:
    """`opaque` are steps that stand in for faulty ones: nothing is said about what they do."""
    yield from _ids(playbook)
    yield from _needs(playbook)
    for index, step in enumerate(playbook.steps):
        if step.kind == "do":
            yield from _do(step, ("steps", index), catalogue)
        elif step.kind == "approve" and parse_duration(step.within) > LONGEST_GATE:
            yield Finding(
                ("steps", index, "within"), f"a gate is open for {duration_text(LONGEST_GATE)} at most"
            )
    cycles = list(_cycles(playbook)) if _has_unique_ids(playbook) else []
    yield from cycles
    if not cycles and not opaque and _is_ordered(playbook):
        yield from _unguarded(playbook, catalogue)


def upstream_of(playbook: Playbook) -> dict[str, frozenset[str]] | None:
    """Step id -> the ids of all steps that end before it starts. None where the order cannot be told."""
    if not _has_unique_ids(playbook):
        return None
    needs = _known_needs(playbook)
    upstream: dict[str, frozenset[str]] = {}
    try:
        for step in TopologicalSorter(needs).static_order():
            upstream[step] = frozenset(needs[step]).union(*(upstream[need] for need in needs[step]))
    except CycleError:
        return None
    return upstream


def _cycles(playbook: Playbook) -> Iterator[Finding]:
    """One finding for each of the first cycles, which share no step."""
    needs = _known_needs(playbook)
    index_of = {step.id: index for index, step in enumerate(playbook.steps)}
    for _ in range(MAX_CYCLES):
        try:
            TopologicalSorter(needs).prepare()
        except CycleError as error:
            cycle: list[str] = error.args[1]
            path = ("steps", min(index_of[step] for step in cycle), "needs")
            yield Finding(
                path, f"these steps wait for each other: {' → '.join(_from_first(cycle, index_of))}"
            )
            needs = {
                step: tuple(need for need in needed if need not in cycle)
                for step, needed in needs.items()
                if step not in cycle
            }
        else:
            return


def _from_first(cycle: list[str], index_of: Mapping[str, int]) -> list[str]:
    """The cycle from the step that is written first; graphlib gives it the other way round."""
    ring = cycle[:0:-1]
    start = min(range(len(ring)), key=lambda position: index_of[ring[position]])
    return [*ring[start:], *ring[:start], ring[start]]


def _known_needs(playbook: Playbook) -> dict[str, tuple[str, ...]]:
    """The needs without those that name no step, which are reported on their own."""
    needs = needs_of(playbook)
    return {step: tuple(need for need in needed if need in needs) for step, needed in needs.items()}


def _has_unique_ids(playbook: Playbook) -> bool:
    return len({step.id for step in playbook.steps}) == len(playbook.steps)


def _is_ordered(playbook: Playbook) -> bool:
    return _has_unique_ids(playbook) and _known_needs(playbook) == needs_of(playbook)


def _ids(playbook: Playbook) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, step in enumerate(playbook.steps):
        if step.id in seen:
            yield Finding(
                ("steps", index, "id"), f"the id '{step.id}' is used by an earlier step; each is unique"
            )
        seen.add(step.id)


def _needs(playbook: Playbook) -> Iterator[Finding]:
    known = {step.id for step in playbook.steps}
    for index, step in enumerate(playbook.steps):
        for position, need in enumerate(step.needs or ()):
            if need not in known:
                message = (
                    f"'{step.id}' needs '{need}', but no step has this id{nearest(need, known - {step.id})}"
                )
                yield Finding(("steps", index, "needs", position), message)


def _undo(key: str, path: Path, catalogue: Catalogue) -> Iterator[Finding]:
    """An undo runs under the approval of what it takes back, so it may not be graver than a change."""
    action = catalogue.get(key)
    if action and action.effect is Effect.DESTROY:
        message = f"{key} destroys, and an undo may not; make it a step of its own behind a gate"
        yield Finding(path, message)


def _do(step: Step, path: Path, catalogue: Catalogue) -> Iterator[Finding]:
    yield from _call(step.do, step.with_, path, catalogue)
    if step.undo and step.undo.do is not None:
        yield from _call(step.undo.do, step.undo.with_, (*path, "undo"), catalogue)
        yield from _undo(step.undo.do, (*path, "undo", "do"), catalogue)
    action = catalogue.get(step.do)
    if action and step.timeout:
        maximum = timedelta(seconds=action.timeout.maximum)
        if parse_duration(step.timeout) > maximum:
            message = f"{action.key} may take {duration_text(maximum)} at most, not {step.timeout}"
            yield Finding((*path, "timeout"), message)
    if step.retry and parse_duration(step.retry.every) > LONGEST_WAIT_BETWEEN_TRIES:
        longest = duration_text(LONGEST_WAIT_BETWEEN_TRIES)
        yield Finding((*path, "retry", "every"), f"the wait before a retry is {longest} at most")


def _call(key: str, given: Mapping[str, Any], path: Path, catalogue: Catalogue) -> Iterator[Finding]:
    action = catalogue.get(key)
    if action is None:
        yield Finding((*path, "do"), f"unknown action '{key}'{nearest(key, catalogue)}")
        return
    known: Mapping[str, Any] = action.inputs.get("properties", {})  # type: ignore[assignment]
    required: list[str] = action.inputs.get("required", [])  # type: ignore[assignment]
    at = (*path, "with")
    for name in required:
        if name not in given:
            yield Finding(at, f"{action.key} needs the input '{name}'")
    for name, value in given.items():
        if name in known:
            yield from _value(action, name, known[name], value, (*at, name))
        elif not action.inputs.get("additionalProperties", False):
            message = f"{action.key} has no input '{name}'{nearest(name, known)}"
            yield Finding((*at, name), message, at_key=True)


def _value(action: Action, name: str, schema: Any, value: object, path: Path) -> Iterator[Finding]:
    """The faults of a value that is written out; what an expression gives is known at run time only."""
    try:
        if any(True for _ in sources(value)):
            return
        plain = render(value, {})
    except ExpressionError:
        return  # check_names reports it
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    for error in validator.iter_errors(plain):
        yield Finding((*path, *error.absolute_path), f"input '{name}' of {action.key}: {error.message[:200]}")


def _unguarded(playbook: Playbook, catalogue: Catalogue) -> Iterator[Finding]:
    guarded = guarded_steps(playbook)
    for index, step in enumerate(playbook.steps):
        if step.kind == "do" and step.id not in guarded and _destroys(step, catalogue):
            message = (
                f"'{step.id}' destroys, and could run without an approval; "
                "put a step with 'approve' before it that cannot be skipped or passed by"
            )
            yield Finding(("steps", index), message)


def _destroys(step: Step, catalogue: Catalogue) -> bool:
    keys = [step.do, *([step.undo.do] if step.undo and step.undo.do else [])]
    return any(key in catalogue and catalogue[key].effect is Effect.DESTROY for key in keys)
