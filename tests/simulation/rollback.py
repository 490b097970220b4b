"""A rollback undid exactly what had changed, in reverse of the dependencies: read from the log alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from graphlib import TopologicalSorter

from playbooks.domain.actions import Effect, Undo
from playbooks.domain.frames import Row, name_of, needs_between
from playbooks.domain.verbs import Verb
from playbooks.models import Step
from playbooks.operations.actions import actions
from playbooks.operations.definitions import Definition
from tests.simulation.history import Happening

DONE = frozenset({Verb.STEP_SUCCEEDED, Verb.STEP_UNDONE, Verb.STEP_RESOLVED})


def problems_of_rollback(
    definition: Definition, steps: Sequence[Step], history: Sequence[Happening]
) -> Iterator[str]:
    for start in history:
        if start.verb != Verb.ROLLBACK_STARTED:
            continue
        round_ = start.facts["round"]
        planned = {step.key for step in steps if step.round == round_ and step.kind == "do"}
        due = _changed(definition, history, start.at) - _undone(history, start.at)
        expired = {each.step for each in history if each.verb == Verb.EXPIRY_DUE}
        if planned - expired != due - expired:
            yield f"Rollback {round_} undoes {sorted(planned)}, and what is left is {sorted(due)}."
        yield from _problems_of_order(steps, planned, [each for each in history if each.round == round_])


def _changed(definition: Definition, history: Sequence[Happening], before: int) -> set[str]:
    return {
        each.step
        for each in history
        if each.at < before and each.round == 0 and _is_done(each) and _can_be_undone(definition, each)
    }


def _undone(history: Sequence[Happening], before: int) -> set[str]:
    return {each.step for each in history if each.at < before and each.round > 0 and _is_done(each)}


def _is_done(happening: Happening) -> bool:
    if happening.verb == Verb.STEP_RESOLVED:
        return str(happening.facts["resolution"]) == "happened"
    return happening.verb in DONE


def _can_be_undone(definition: Definition, done: Happening) -> bool:
    document = definition.steps[name_of(done.step)]
    if document.kind != "do" or document.undo is not None or done.facts.get("changed") is False:
        return False  # the only undo of its own that these playbooks have is none
    action = actions()[document.do]
    return action.effect is not Effect.READ and isinstance(action.undo, Undo)


def _problems_of_order(
    steps: Sequence[Step], planned: set[str], history: Sequence[Happening]
) -> Iterator[str]:
    above = _above(steps)
    ended = {each.step: each.at for each in history if _is_done(each)}
    for claim in history:
        if claim.verb != Verb.STEP_CLAIMED:
            continue
        for later in planned:
            if claim.step in above[later] and ended.get(later, claim.at) >= claim.at:
                yield f"{claim.step} was undone before {later}, which came after it."


def _above(steps: Sequence[Step]) -> Mapping[str, set[str]]:
    """All that came before each step, across the frames."""
    own = [step for step in steps if step.round == 0]
    needs = needs_between({step.key: Row(step.key, tuple(step.needs), step.kind == "repeat") for step in own})
    above: dict[str, set[str]] = {}
    for key in TopologicalSorter(needs).static_order():
        above[key] = set(needs[key]).union(*(above[need] for need in needs[key]))
    return above
