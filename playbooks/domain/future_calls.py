"""What would run behind a gate, call by call, as far as it can be told before."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from playbooks.domain.definition import Definition
from playbooks.domain.expressions import ExpressionError, render
from playbooks.domain.frames import enclosing, key_in, turn_of
from playbooks.domain.playbook import MAX_ITEMS, Step

Scope = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class FutureCall:
    """A step to come, with what its expressions will see; `scope` is None where its turns are not known yet."""

    key: str
    document: Step
    scope: Scope | None


def calls_behind(definition: Definition, path: str, scope: Scope, ids: Sequence[str]) -> Iterator[FutureCall]:
    """The calls of the steps with these ids, in each turn of the blocks that hold them below the frame at `path`,
    whose expressions see `scope`.
    """
    depth = len(enclosing(path))
    for each in ids:
        for frame, seen in _turns(definition, path, definition.blocks[each][depth:], scope):
            yield FutureCall(key_in(frame, each), definition.steps[each], seen)


def unknown_keys(key: str) -> tuple[str, ...]:
    """Every name by which `calls_behind` may have named a step that it could not show: its key, and, for each block
    of which the turns were not known, `hosts[*].isolate`. What is inside such a block is not known either.
    """
    known = key
    names = [known]
    while (found := known.rpartition("["))[1]:
        known = found[0]
        names.append(known + re.sub(r"\[\d+\]", "[*]", key[len(known) :]))
    return tuple(names)


def _turns(
    definition: Definition, path: str, blocks: Sequence[str], scope: Scope | None
) -> Iterator[tuple[str, Scope | None]]:
    """The frames in which a step within `blocks`, the outermost first, will run."""
    if not blocks:
        yield path, scope
        return
    document = definition.steps[blocks[0]]
    key = key_in(path, blocks[0])
    for turn, seen in _turns_of(document, key, scope):
        yield from _turns(definition, turn, blocks[1:], seen)


def _turns_of(document: Step, key: str, scope: Scope | None) -> Iterator[tuple[str, Scope | None]]:
    try:
        bindings = None if scope is None else _bindings(document, scope)
    except ExpressionError:
        bindings = None
    if scope is None or bindings is None:
        yield f"{key}[*]", None
        return
    for index, bound in enumerate(bindings):
        yield turn_of(key, index), {**scope, **bound}


def _bindings(document: Step, scope: Scope) -> Sequence[Scope] | None:
    """What each turn of a block sees besides; None where it cannot be told how many there are."""
    if document.repeat is not None:
        return [{"turn": index + 1} for index in range(document.repeat.most)]
    items = render(document.each, scope)
    return [{"item": item} for item in items] if isinstance(items, list) and len(items) <= MAX_ITEMS else None
