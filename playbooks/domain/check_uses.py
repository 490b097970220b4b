"""Where expressions stand in a playbook, and what is known there: which names exist, which steps have ended.

Inside a block the steps of the blocks around it are known as far as they end before the block starts. Nothing
inside a block is known outside of it; a block's own `outputs`, `until` and `while` see its steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from playbooks.domain.actions import Catalogue
from playbooks.domain.check_order import upstream_of
from playbooks.domain.playbook import Input, Placed, Playbook, Step, placed
from playbooks.domain.reader import Path
from playbooks.domain.step_outputs import input_schema

_START = frozenset({"alert", "case", "now"})
_RUN = frozenset({"alert", "case", "inputs", "steps", "run", "now"})
_OWN_NAME: Mapping[str, str] = {"each": "item", "repeat": "turn"}

Schema = Mapping[str, Any]
TEXT: Schema = {"type": "string"}
LIST: Schema = {"type": "array"}


@dataclass(frozen=True, slots=True)
class Scope:
    """`reader` is who reads, in sentences; `blocks` hold it, the outermost first."""

    reader: str
    roots: frozenset[str]
    ended: frozenset[str] = frozenset()
    blocks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Use:
    """A value in which expressions may stand, as `${ … }` in its texts, or a condition, which is one itself.

    `wanted` is the JSON Schema of what it has to give, None for anything. `seals` says that it may receive a secret.
    """

    path: Path
    value: object
    scope: Scope
    is_condition: bool = False
    wanted: Schema | None = None
    seals: bool = False
    what: str = ""  # the wanted value in sentences


def uses(playbook: Playbook, catalogue: Catalogue) -> Iterator[Use]:
    """Every place of an expression, in the order written, step by step."""
    trigger = Scope("a trigger", frozenset({"alert", "now"}))
    for index, each in enumerate(playbook.triggers):
        yield Use(("triggers", index, "alert"), each.alert, trigger, is_condition=True)
    yield from _defaults(playbook.inputs, ("inputs",), Scope("an input", _START))
    places = placed(playbook)
    upstream = upstream_of(playbook)
    around = _Around(places, upstream)
    for place in places:
        yield from _of_step(place, around, catalogue)
    top = frozenset(place.step.id for place in places if not place.blocks)
    yield Use(("outputs",), playbook.outputs, Scope("an output", _RUN, top))


@dataclass(frozen=True, slots=True)
class _Around:
    places: tuple[Placed, ...]
    upstream: Mapping[str, frozenset[str]] | None

    def before(self, place: Placed) -> Scope:
        """What the step sees when it starts."""
        ended = self._ended(place.step.id)
        return Scope(f"'{place.step.id}'", self._roots(place.blocks), ended, place.blocks)

    def inside(self, place: Placed) -> Scope:
        """What a block sees of its own steps when they have ended."""
        step, blocks = place.step, (*place.blocks, place.step.id)
        own = frozenset(each.step.id for each in self.places if each.blocks == blocks)
        return Scope(f"'{step.id}'", self._roots(blocks), self._ended(step.id) | own, blocks)

    def _ended(self, step_id: str) -> frozenset[str]:
        # Where the order has a cycle, nothing can be said about who comes first.
        if self.upstream is None:
            return frozenset(place.step.id for place in self.places)
        return self.upstream[step_id]

    def _roots(self, blocks: tuple[str, ...]) -> frozenset[str]:
        kinds = {place.step.kind for place in self.places if place.step.id in blocks}
        return _RUN | {name for kind, name in _OWN_NAME.items() if kind in kinds}


def _of_step(place: Placed, around: _Around, catalogue: Catalogue) -> Iterator[Use]:
    step, path, scope = place.step, place.path, around.before(place)
    if step.when is not None:
        yield Use((*path, "when"), step.when, scope, is_condition=True)
    yield from _with(step, path, scope, catalogue)
    yield Use((*path, "approve"), step.approve, scope)
    yield Use((*path, "ask"), step.ask, scope)
    yield from _defaults(step.fields, (*path, "fields"), scope)
    if step.wait:
        moment = "'until' has to be a moment as text"
        yield Use((*path, "wait", "until"), step.wait.until, scope, wanted=TEXT, what=moment)
        yield Use((*path, "wait", "key"), step.wait.key, scope)
    yield Use((*path, "set"), step.set, scope)
    if step.undo:
        # An undo runs after its step, and may use what that gave.
        after = Scope(scope.reader, scope.roots, scope.ended | {step.id}, scope.blocks)
        wanted = _wanted(step.undo.do or "", catalogue)
        yield from _given(step.undo.do or "", step.undo.with_, (*path, "undo", "with"), after, wanted)
    yield from _of_block(place, scope, around)


def _of_block(place: Placed, scope: Scope, around: _Around) -> Iterator[Use]:
    step, path = place.step, place.path
    if step.each is not None:
        yield Use((*path, "each"), step.each, scope, wanted=LIST, what="'each' needs a list")
    if step.repeat:
        for key, condition in (("until", step.repeat.until), ("while", step.repeat.while_)):
            if condition is not None:
                yield Use((*path, "repeat", key), condition, around.inside(place), is_condition=True)
    if step.outputs:
        yield Use((*path, "outputs"), step.outputs, around.inside(place))


def _with(step: Step, path: Path, scope: Scope, catalogue: Catalogue) -> Iterator[Use]:
    at = (*path, "with")
    for each in _given(step.do, step.with_, at, scope, _wanted(step.do, catalogue)):
        action = catalogue.get(step.do)
        seals = step.kind == "do" and (action is None or each.path[-1] in action.secret_inputs)
        yield Use(each.path, each.value, scope, wanted=each.wanted, seals=seals, what=each.what)


def _given(
    action: str, given: Mapping[str, Any], path: Path, scope: Scope, wanted: Mapping[str, Schema]
) -> Iterator[Use]:
    for name, value in given.items():
        yield Use((*path, name), value, scope, wanted=wanted.get(name), what=f"input '{name}' of {action}")


def _wanted(key: str, catalogue: Catalogue) -> Mapping[str, Schema]:
    action = catalogue.get(key)
    properties = action.inputs.get("properties") if action else None
    return properties if isinstance(properties, Mapping) else {}


def _defaults(declared: Mapping[str, Input], path: Path, scope: Scope) -> Iterator[Use]:
    for name, spec in declared.items():
        what = f"the default of '{name}'"
        yield Use((*path, name, "default"), spec.default, scope, wanted=input_schema(spec), what=what)
