"""The third layer of the check: every expression compiles, and its names mean something where it stands."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from playbooks.domain.actions import Catalogue
from playbooks.domain.alerts import ALERT_FIELDS, RULE_FIELDS
from playbooks.domain.check_uses import Scope, Use, uses
from playbooks.domain.expression_types import alone
from playbooks.domain.expressions import ExpressionError, paths, sources, syntax_error
from playbooks.domain.observables import OBSERVABLE_TYPES
from playbooks.domain.playbook import Playbook, placed
from playbooks.domain.problems import Finding, nearest
from playbooks.domain.reader import Path
from playbooks.domain.step_outputs import fields_of, outputs_schema

Reference = tuple[str, ...]


def name_findings(playbook: Playbook, catalogue: Catalogue, opaque: frozenset[str]) -> Iterator[Finding]:
    """`opaque` stand in for what is faulty (check_salvage.Shape): any name under them is accepted."""
    names = _Names(playbook, catalogue, opaque)
    for use in uses(playbook, catalogue):
        yield from names.condition(use) if use.is_condition else names.template(use, use.path, use.value)
        yield from names.shown(use)


class _Names:
    def __init__(self, playbook: Playbook, catalogue: Catalogue, opaque: frozenset[str]) -> None:
        self._places = {place.step.id: place for place in placed(playbook)}
        self._by_path = {place.path: place.step for place in self._places.values()}
        self._inputs = playbook.inputs
        self._catalogue = catalogue
        self._opaque = opaque

    def shown(self, use: Use) -> Iterator[Finding]:
        """The steps that a gate or a question shows beside its text have ended by then."""
        path = use.path[:-1]
        step = self._by_path.get(path)
        is_text = step is not None and use.path[-1] == step.kind
        for position, shown in enumerate(step.show if step and is_text else ()):
            if shown not in use.scope.ended:
                yield Finding((*path, "show", position), self._not_ended(shown, use.scope))

    def condition(self, use: Use) -> Iterator[Finding]:
        source = str(use.value)
        if "${" in source:
            sentence = "a condition is an expression as it stands; write it without ${ }"
            yield Finding(use.path, sentence)
            return
        yield from self._expression(use, use.path, source, seals=False)

    def template(self, use: Use, path: Path, value: object) -> Iterator[Finding]:
        """Every `${ … }` in a nested value."""
        if isinstance(value, Mapping):
            for key, each in value.items():
                yield from self.template(use, (*path, key), each)
        elif isinstance(value, list):
            for index, each in enumerate(value):
                yield from self.template(use, (*path, index), each)
        elif isinstance(value, str):
            try:
                found = list(sources(value))
            except ExpressionError as error:
                yield Finding(path, str(error))
                return
            for source in found:
                # A secret stays whole: the input itself, not a part of it, and nothing made from it.
                yield from self._expression(
                    use, path, source, use.seals and path == use.path and alone(value)
                )

    def _expression(self, use: Use, path: Path, source: str, seals: object) -> Iterator[Finding]:
        problem = syntax_error(source)
        if problem:
            yield Finding(path, problem)
            return
        for reference in sorted(paths(source)):
            is_sealed = bool(seals) and "".join(source.split()) == ".".join(reference)
            problem = self._reference(reference, use.scope) or (
                "" if is_sealed else self._disclosed(reference)
            )
            if problem:
                yield Finding(path, problem)

    def _reference(self, reference: Reference, scope: Scope) -> str:
        """What is wrong with a reference, empty for nothing."""
        root = reference[0]
        if root not in scope.roots:
            return _unknown_root(root, scope)
        if root == "steps":
            return self._step_reference(reference, scope)
        if root == "inputs":
            return _unknown(reference, 1, self._inputs)
        if root == "alert":
            return _alert_reference(reference)
        return ""

    def _step_reference(self, reference: Reference, scope: Scope) -> str:
        if len(reference) < 3:
            return (
                f"'{'.'.join(reference)}' is too little; write steps.<id>.state or steps.<id>.outputs.<name>"
            )
        step_id = reference[1]
        if step_id not in scope.ended:
            return self._not_ended(step_id, scope)
        if step_id in self._opaque:
            return ""
        step = self._places[step_id].step
        wrong = _unknown(reference, 2, fields_of(step))
        if wrong or reference[2] != "outputs":
            return wrong
        return _output_reference(reference, outputs_schema(step, self._catalogue))

    def _not_ended(self, step_id: str, scope: Scope) -> str:
        place = self._places.get(step_id)
        if place is None:
            return f"no step has the id '{step_id}'{nearest(step_id, scope.ended)}"
        if step_id in scope.blocks:
            return f"{scope.reader} is inside '{step_id}', which has not ended then"
        hidden = next((block for block in place.blocks if block not in scope.blocks), None)
        if hidden:
            return f"step '{step_id}' is inside '{hidden}' and cannot be seen from {scope.reader}; {self._way(hidden)}"
        return (
            f"step '{step_id}' has not ended when {scope.reader} starts; "
            "name it in 'needs', or what follows it"
        )

    def _way(self, block: str) -> str:
        """How to read what happened inside a block."""
        if self._places[block].step.kind == "each":
            return f"read steps.{block}.outputs.results"
        return f"name it in the 'outputs' of '{block}', and read steps.{block}.outputs.<name>"

    def _disclosed(self, reference: Reference) -> str:
        """What is wrong with a reference to a secret in a place where it would be shown or stored."""
        place = self._places.get(reference[1]) if len(reference) > 2 and reference[0] == "steps" else None
        if place is None or reference[2] != "outputs":
            return ""
        secrets = place.step.secret_outputs
        if len(reference) == 3 and secrets:
            return (
                f"steps.{reference[1]}.outputs holds the secret '{secrets[0]}'; name the output that is meant"
            )
        if len(reference) > 3 and reference[3] in secrets:
            return (
                f"'{reference[3]}' is secret and cannot be used here; it can only be given, alone in a ${{ }}, "
                "to an input that its action marks as secret (writeOnly)"
            )
        return ""


def _unknown_root(root: str, scope: Scope) -> str:
    home = {"item": "each", "turn": "repeat"}.get(root)
    if home:
        return f"'{root}' is not known in {scope.reader}; it exists only inside a step with '{home}'"
    return f"'{root}' is not known in {scope.reader}; there are {', '.join(sorted(scope.roots))}"


def _output_reference(reference: Reference, schema: Any) -> str:
    for depth in range(3, len(reference)):
        properties = schema.get("properties")
        is_closed = schema.get("additionalProperties") is False
        if schema.get("additionalProperties") or not (properties or is_closed):
            return ""
        wrong = _unknown(reference, depth, properties or {})
        if wrong:
            return wrong
        schema = (properties or {})[reference[depth]]
    return ""


def _alert_reference(reference: Reference) -> str:
    below = {"rule": RULE_FIELDS, "observables": OBSERVABLE_TYPES}
    wrong = _unknown(reference, 1, ALERT_FIELDS)
    if wrong or len(reference) < 3 or reference[1] not in below:
        return wrong
    return _unknown(reference, 2, below[reference[1]])


def _unknown(reference: Reference, depth: int, known: Collection[str]) -> str:
    """A sentence when the name at `depth` is not among `known`; nothing for a shorter reference."""
    if len(reference) <= depth or reference[depth] in known:
        return ""
    name = reference[depth]
    return f"unknown name '{name}' in {'.'.join(reference[:depth])}{nearest(name, known)}"
