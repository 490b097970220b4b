"""The typed inputs of a playbook, checked before a run starts."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping

from playbooks.domain.expressions import ExpressionError
from playbooks.domain.playbook import Input

Errors = list[tuple[str, str]]


def accept_inputs(
    declared: Mapping[str, Input], given: Mapping[str, object], *, default: Callable[[object], object]
) -> tuple[dict[str, object], Errors]:
    """The values of all declared inputs, and (name, sentence) for each that is missing, unknown or ill-typed.

    `default` computes the declared default of an input that was not given; it may raise ExpressionError.
    """
    errors: Errors = [(name, "The playbook has no such input.") for name in given if name not in declared]
    values: dict[str, object] = {}
    for name, spec in declared.items():
        try:
            value = given[name] if name in given else _default(spec, default)
            values[name] = _accept(spec, value)
        except (ExpressionError, ValueError) as error:
            errors.append((name, str(error)))
    return values, errors


def _default(spec: Input, default: Callable[[object], object]) -> object:
    if spec.default is None:
        raise ValueError("This input is needed and was not given.")
    return default(spec.default)


def unfit(spec: Input, value: object) -> str:
    """The sentence why `value` cannot be given to this input, empty when it can."""
    try:
        _accept(spec, value)
    except ValueError as error:
        return str(error)
    return ""


def _accept(spec: Input, value: object) -> object:
    accept = _TYPES.get(spec.type, _text)
    # A text whose default is empty may be left empty.
    if accept is _text and value == spec.default == "":
        return ""
    return accept(value)


def _ip(value: object) -> str:
    try:
        return str(ipaddress.ip_address(str(value)))
    except ValueError:
        raise ValueError(f"{value!r} is not an IP address.") from None


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r} is not a text.")
    return value


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is not a whole number.")
    return value


def _number(value: object) -> float | int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is not a number.")
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is not true or false.")
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is not a list.")
    return value


def _email(value: object) -> str:
    text = _text(value)
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", text):
        raise ValueError(f"{value!r} is not an e-mail address.")
    return text


_TYPES: Mapping[str, Callable[[object], object]] = {
    "ip": _ip,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "list": _list,
    "email": _email,
}
