"""The third layer of the check: every expression compiles, and its names mean something where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from playbooks.domain.actions import Catalogue
from playbooks.domain.alerts import ALERT_FIELDS, RULE_FIELDS
from playbooks.domain.check_steps import upstream_of
from playbooks.domain.expressions import ExpressionError, paths, sources, syntax_error
from playbooks.domain.observables import OBSERVABLE_TYPES
from playbooks.domain.playbook import Playbook, Step
from playbooks.domain.problems import Finding, nearest
from playbooks.domain.reader import Path

_TRIGGER = frozenset({"alert", "now"})
_START = frozenset({"alert", "case", "now"})
_RUN = frozenset({"alert", "case", "inputs", "steps", "run", "now"})


@dataclass(frozen=True, slots=True)
class _Use:
    """An expression and where it stands: the roots that exist there, the steps that have ended by then."""

    path: Path
    source: str
    roots: frozenset[str]
    ended: frozenset[str]
    reader: str  # in sentences


def name_findings(playbook: Playbook, catalogue: Catalogue, opaque: frozenset[str]) -> Iterator[Finding]:
    """`opaque` are steps that stand in for faulty ones: any name under them is accepted."""
    names = _Names(playbook, catalogue, opaque)
    for index, trigger in enumerate(playbook.triggers):
        yield from names.condition(
            _Use(("triggers", index, "alert"), trigger.alert, _TRIGGER, frozenset(), "a trigger")
        )
    for name, spec in playbook.inputs.items():
        yield from names.template(("inputs", name, "default"), spec.default, _START, frozenset(), "an input")
    for index, step in enumerate(playbook.steps):
        if step.id not in opaque:
            yield from names.step(step, ("steps", index))
    everything = frozenset(names.steps)
    yield from names.template(("outputs",), playbook.outputs, _RUN, everything, "an output")


class _Names:
    def __init__(self, playbook: Playbook, catalogue: Catalogue, opaque: frozenset[str]) -> None:
        self.steps = {step.id: step for step in playbook.steps}
        self._inputs = playbook.inputs
        self._catalogue = catalogue
        self._opaque = opaque
        self._upstream = upstream_of(playbook)

    def step(self, step: Step, path: Path) -> Iterator[Finding]:
        # Where the order has a cycle, nothing can be said about who comes first.
        ended = frozenset(self.steps) if self._upstream is None else self._upstream[step.id]
        reader = f"'{step.id}'"
        if step.when is not None:
            yield from self.condition(_Use((*path, "when"), step.when, _RUN, ended, reader))
        yield from self.template((*path, "with"), step.with_, _RUN, ended, reader)
        yield from self.template((*path, "approve"), step.approve, _RUN, ended, reader)
        yield from self.template((*path, "set"), step.set, _RUN, ended, reader)
        if step.undo:
            # An undo runs after its step, and may use what that gave.
            yield from self.template(
                (*path, "undo", "with"), step.undo.with_, _RUN, ended | {step.id}, reader
            )
        for position, shown in enumerate(step.show):
            if shown not in ended:
                yield Finding((*path, "show", position), self._not_ended(shown, ended, reader))

    def condition(self, use: _Use) -> Iterator[Finding]:
        if "${" in use.source:
            yield Finding(use.path, "a condition is an expression as it stands; write it without ${ }")
            return
        yield from self._expression(use)

    def template(
        self, path: Path, value: object, roots: frozenset[str], ended: frozenset[str], reader: str
    ) -> Iterator[Finding]:
        """Every `${ … }` in a nested value."""
        if isinstance(value, Mapping):
            for key, each in value.items():
                yield from self.template((*path, key), each, roots, ended, reader)
        elif isinstance(value, list):
            for index, each in enumerate(value):
                yield from self.template((*path, index), each, roots, ended, reader)
        elif isinstance(value, str):
            try:
                found = list(sources(value))
            except ExpressionError as error:
                yield Finding(path, str(error))
                return
            for source in found:
                yield from self._expression(_Use(path, source, roots, ended, reader))

    def _expression(self, use: _Use) -> Iterator[Finding]:
        problem = syntax_error(use.source)
        if problem:
            yield Finding(use.path, problem)
            return
        for reference in sorted(paths(use.source)):
            problem = self._reference(reference, use)
            if problem:
                yield Finding(use.path, problem)

    def _reference(self, reference: tuple[str, ...], use: _Use) -> str:
        """What is wrong with a reference, empty for nothing."""
        root = reference[0]
        if root not in use.roots:
            return f"'{root}' is not known in {use.reader}; there are {', '.join(sorted(use.roots))}"
        if root == "steps":
            return self._step_reference(reference, use)
        if root == "inputs":
            return _unknown(reference, 1, self._inputs)
        if root == "alert":
            return _alert_reference(reference)
        return ""

    def _step_reference(self, reference: tuple[str, ...], use: _Use) -> str:
        if len(reference) < 3:
            return (
                f"'{'.'.join(reference)}' is too little; write steps.<id>.state or steps.<id>.outputs.<name>"
            )
        step_id = reference[1]
        if step_id not in use.ended:
            return self._not_ended(step_id, use.ended, use.reader)
        if step_id in self._opaque:
            return ""
        step = self.steps[step_id]
        fields = {"do": ("state", "outputs"), "set": ("state", "outputs"), "approve": ("state", "approvers")}
        wrong = _unknown(reference, 2, fields.get(step.kind, ("state",)))
        return wrong or (self._output_reference(step, reference) if reference[2] == "outputs" else "")

    def _not_ended(self, step_id: str, ended: frozenset[str], reader: str) -> str:
        if step_id in self.steps:
            return (
                f"step '{step_id}' has not ended when {reader} starts; name it in 'needs', or what follows it"
            )
        return f"no step has the id '{step_id}'{nearest(step_id, ended)}"

    def _output_reference(self, step: Step, reference: tuple[str, ...]) -> str:
        if step.kind == "set":
            return _unknown(reference, 3, step.set or {})
        action = self._catalogue.get(step.do)
        schema: Any = action.outputs if action else {}
        for depth in range(3, len(reference)):
            properties = schema.get("properties")
            if not properties or schema.get("additionalProperties"):
                return ""
            wrong = _unknown(reference, depth, properties)
            if wrong:
                return wrong
            schema = properties[reference[depth]]
        return ""


def _alert_reference(reference: tuple[str, ...]) -> str:
    below = {"rule": RULE_FIELDS, "observables": OBSERVABLE_TYPES}
    wrong = _unknown(reference, 1, ALERT_FIELDS)
    if wrong or len(reference) < 3 or reference[1] not in below:
        return wrong
    return _unknown(reference, 2, below[reference[1]])


def _unknown(reference: tuple[str, ...], depth: int, known: Mapping[str, object] | tuple[str, ...]) -> str:
    """A sentence when the name at `depth` is not among `known`; nothing for a shorter reference."""
    if len(reference) <= depth or reference[depth] in known:
        return ""
    name = reference[depth]
    return f"unknown name '{name}' in {'.'.join(reference[:depth])}{nearest(name, known)}"
