"""What would run behind a gate, call by call, as far as it can be told before."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from playbooks.domain.expressions import ExpressionError, render
from playbooks.domain.frames import enclosing, key_in, turn_of
from playbooks.domain.playbook import MAX_ITEMS
from playbooks.domain.playbook import Step as DocumentStep
from playbooks.domain.subject import Covered
from playbooks.models import Run
from playbooks.operations.actions import covered, covered_run, resolve
from playbooks.operations.definitions import definition_of
from playbooks.operations.rounds import Frame

UNKNOWN = "How often this runs is not known yet."
Scope = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class FutureCall:
    """A step to come, with what its expressions will see; `scope` is None where its turns are not known yet."""

    key: str
    document: DocumentStep
    scope: Scope | None


def calls_behind(frame: Frame, ids: Sequence[str], frozen_at: str) -> Iterator[FutureCall]:
    """The calls of the steps with these ids, in each turn of the blocks that hold them below `frame`."""
    definition = definition_of(frame.run.version_id)
    scope = frame.scope(frozen_at)
    depth = len(enclosing(frame.path))
    for each in ids:
        for path, seen in _turns(frame.run, frame.path, definition.blocks[each][depth:], scope):
            yield FutureCall(key_in(path, each), definition.steps[each], seen)


def covered_call(run: Run, call: FutureCall) -> Covered:
    """The call as an approval shows it and binds it. Raises ExpressionError where not all of it is known."""
    if call.scope is None:
        raise ExpressionError(UNKNOWN)
    if call.document.kind == "run":
        return covered_run(run, call.document, call.scope, call.key)
    return covered(run, resolve(run, call.document, call.scope), call.document, call.key)


def unknown_key(key: str, gate_frame: str) -> str:
    """How `calls_behind` names a step of which the turns were not known at the gate: `hosts[*].isolate`."""
    inner = key.removeprefix(f"{gate_frame}.") if gate_frame else key
    return key_in(gate_frame, re.sub(r"\[\d+\]", "[*]", inner))


def _turns(
    run: Run, path: str, blocks: Sequence[str], scope: Scope | None
) -> Iterator[tuple[str, Scope | None]]:
    """The frames in which a step within `blocks`, the outermost first, will run."""
    if not blocks:
        yield path, scope
        return
    document = definition_of(run.version_id).steps[blocks[0]]
    key = key_in(path, blocks[0])
    for turn, seen in _turns_of(document, key, scope):
        yield from _turns(run, turn, blocks[1:], seen)


def _turns_of(document: DocumentStep, key: str, scope: Scope | None) -> Iterator[tuple[str, Scope | None]]:
    try:
        bindings = None if scope is None else _bindings(document, scope)
    except ExpressionError:
        bindings = None
    if scope is None or bindings is None:
        yield f"{key}[*]", None
        return
    for index, bound in enumerate(bindings):
        yield turn_of(key, index), {**scope, **bound}


def _bindings(document: DocumentStep, scope: Scope) -> Sequence[Scope] | None:
    """What each turn of a block sees besides; None where it cannot be told how many there are."""
    if document.repeat is not None:
        return [{"turn": index + 1} for index in range(document.repeat.most)]
    items = render(document.each, scope)
    return [{"item": item} for item in items] if isinstance(items, list) and len(items) <= MAX_ITEMS else None
