"""What an expression refers to, read from the syntax tree that the CEL parser itself made.

The parser gives its tree as a serialized `cel.expr.ParsedExpr` (cel-spec, proto/cel/expr/syntax.proto). The
few fields that matter are read here straight from the Protocol Buffers wire format, whose field numbers never
change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

Path = tuple[str, ...]
Message = dict[int, list[bytes]]

_ANY_VALUE = 2
_PARSED_EXPR = 2
_CONST, _IDENT, _SELECT, _CALL, _LIST, _STRUCT, _COMPREHENSION = 3, 4, 5, 6, 7, 8, 9
_STRING_VALUE = 6
_ITER_VAR, _ITER_RANGE, _ACCU_VAR, _ACCU_INIT, _CONDITION, _STEP, _RESULT, _ITER_VAR_2 = range(1, 9)


@dataclass(frozen=True, slots=True)
class References:
    """`paths` are the dotted references from a free name on; `loops` says whether anything is iterated."""

    paths: frozenset[Path]
    loops: bool


def references_in(serialized: bytes) -> References:
    """The references of an expression that was compiled without type check."""
    parsed = _fields(_fields(serialized)[_ANY_VALUE][0])
    found = list(_walk(_fields(parsed[_PARSED_EXPR][0]), frozenset()))
    return References(frozenset(path for path in found if path), loops=() in found)


def _walk(node: Message, bound: frozenset[str]) -> Iterator[Path]:
    """Every reference below `node`, and an empty path for each loop. `bound` are names of loop variables."""
    path = _path(node)
    if path is not None:
        if path[0] not in bound:
            yield path
    elif _COMPREHENSION in node:
        yield ()
        yield from _walk_loop(_fields(node[_COMPREHENSION][0]), bound)
    else:
        for child in _children(node):
            yield from _walk(child, bound)


def _walk_loop(loop: Message, bound: frozenset[str]) -> Iterator[Path]:
    for field in (_ITER_RANGE, _ACCU_INIT):
        yield from _walk(_fields(loop[field][0]), bound)
    names = {loop[field][0].decode() for field in (_ITER_VAR, _ACCU_VAR, _ITER_VAR_2) if field in loop}
    for field in (_CONDITION, _STEP, _RESULT):
        yield from _walk(_fields(loop[field][0]), bound | names)


def _path(node: Message) -> Path | None:
    """The dotted path that `node` is, if it is one; `a["b"]` counts as `a.b`."""
    if _IDENT in node:
        return (_text(node[_IDENT][0], 1),)
    if _SELECT in node:
        select = _fields(node[_SELECT][0])
        below, name = select[1][0], select[2][0].decode()
    elif _CALL in node and _is_index(call := _fields(node[_CALL][0])):
        below, name = call[3][0], _constant(call[3][1])
    else:
        return None
    path = _path(_fields(below))
    return None if path is None or not name else (*path, name)


def _is_index(call: Message) -> bool:
    return call[2][0] == b"_[_]" and bool(_constant(call[3][1]))


def _constant(serialized: bytes) -> str:
    """The text of a string literal, empty for everything else."""
    constant = _fields(serialized).get(_CONST)
    return _text(constant[0], _STRING_VALUE) if constant else ""


def _children(node: Message) -> Iterator[Message]:
    if _SELECT in node:
        yield _fields(_fields(node[_SELECT][0])[1][0])
    for kind, fields in ((_CALL, (1, 3)), (_LIST, (1,))):
        for message in node.get(kind, []):
            parts = _fields(message)
            yield from (_fields(each) for field in fields for each in parts.get(field, []))
    for struct in node.get(_STRUCT, []):
        for entry in _fields(struct).get(2, []):
            parts = _fields(entry)
            yield from (_fields(each) for field in (3, 4) for each in parts.get(field, []))


def _text(message: bytes, field: int) -> str:
    return _fields(message).get(field, [b""])[0].decode()


def _fields(message: bytes) -> Message:
    """Field number -> values. Only length-delimited values are kept; numbers are skipped."""
    fields: Message = {}
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        wire = tag & 7
        if wire == 2:
            size, position = _varint(message, position)
            fields.setdefault(tag >> 3, []).append(message[position : position + size])
            position += size
        elif wire == 0:
            _, position = _varint(message, position)
        else:
            position += 8 if wire == 1 else 4
    return fields


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position
