"""Expressions give plain values or one sentence, and are bounded."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.domain.expressions import (
    MAX_SOURCE,
    ExpressionError,
    evaluate,
    paths,
    references,
    render,
    sources,
    syntax_error,
)

SCOPE = {
    "alert": {"source": "suricata", "severity": 90, "observables": {"ip": ("192.0.2.7", "198.51.100.2")}},
    "inputs": {"address": "192.0.2.7", "none": None, "zero": 0, "flag": True, "half": 0.5, "whole": 2.0},
    "steps": {
        "gate": {"state": "succeeded", "approvers": ["Ann", "Bo"]},
        "block": {"state": "failed"},
        "owner": {"state": "succeeded", "outputs": {"owner": "Mail team", "tags": {"a": [1, True]}}},
    },
    "now": datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
}
# Neither NUL nor lone surrogates come through the readers.
CHARACTERS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | CHARACTERS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(CHARACTERS, inner, max_size=3),
)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ('alert.source == "suricata" && alert.severity >= 70', True),
        ("alert.observables.ip[0]", "192.0.2.7"),
        ("steps.owner.outputs.tags", {"a": [1, True]}),
        ("inputs.none", None),
        ("inputs['address']", "192.0.2.7"),
        ("has(inputs.absent) ? 1 : 2", 2),
        ("alert.observables.ip.exists(ip, ip == '198.51.100.2')", True),
        ("string(timestamp(now) + duration('1h'))", "2026-01-31T10:30:00Z"),
        ("inputs.whole", 2.0),
        ("steps.owner.outputs.tags.a[0] + size(steps)", 4),
    ],
)
def test_an_expression_has_a_plain_value(source: str, value: object) -> None:
    assert evaluate(source, SCOPE) == value
    assert type(evaluate(source, SCOPE)) is type(value)


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("inptus.address", "unknown name 'inptus.address', did you mean 'inputs'?"),
        ("inputs.absent", "inputs.absent has no value"),
        ("case.id", "case has no value"),
        ("steps.block.outputs.entry", "step 'block' did not succeed"),
        ("inputs.address.more", "inputs.address.more has no value"),
        ("1 / inputs.zero", "divides by zero"),
        ("inputs.address + 1", "do not fit: +(string, int64)"),
        ("inputs.address ? 1 : 2", "condition that is true or false"),
        ("alert.observables.ip[9]", "item 9 of a list that is shorter"),
        ("9223372036854775807 + 1", "beyond 64 bits"),
        ("9007199254740993", "too large to be exact"),
        ("timestamp(now)", "write string(…)"),
        ("b'x'", "no JSON value"),
        ("0.0 / 0.0", "cannot be recorded"),
        ("{1: 2}", "key that is no text"),
        ("1 +", "ends too early"),
        ("a b", "is no CEL expression"),
        ("", "ends too early"),
        ("nosuch(1)", "unknown name 'nosuch'"),
        ("(" * 100 + "1" + ")" * 100, "nested deeper than 32"),
        ("'" + "x" * MAX_SOURCE + "'", "4098 bytes"),
        ("'\ud800'", "surrogate"),
    ],
)
def test_an_error_is_one_sentence_and_never_a_value(source: str, part: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(source, SCOPE)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "value", "part"),
    [
        ("inputs.x.all(i, i == 1)", [1] * 10_001, "10,000 iterations"),
        ("inputs.x.map(i, inputs.x)", ["a" * 70_000], "more than 64 KiB of values"),
        ("inputs.x", "a" * 70_000, "gives more than 64 KiB"),
        ("inputs.x.map(i, inputs.x)", ["a" * 30] * 300, "gives more than 64 KiB"),
        ("inputs.x.size()", "a" * 2_000_000, "more than 1024 KiB"),
        ("inputs.x", object(), "refers to a object"),
        ("inputs.x", "a\0b", "NUL"),
        ("inputs.x", {"a\0b": 1}, "NUL"),
        ("inputs.x", ["\ud800"], "surrogate"),
    ],
)
def test_evaluation_is_bounded(source: str, value: object, part: str) -> None:
    with pytest.raises(ExpressionError, match=part):
        evaluate(source, {"inputs": {"x": value}})


def test_values_nested_too_deep_are_refused_and_do_not_crash() -> None:
    value: object = 1
    for _ in range(5000):
        value = [value]
    with pytest.raises(ExpressionError, match="64 levels"):
        evaluate("inputs.x", {"inputs": {"x": value}})


def test_what_an_expression_does_not_refer_to_is_not_looked_at() -> None:
    assert evaluate("inputs.a", {"inputs": {"a": 1, "b": object()}, "alert": object()}) == 1


@given(JSON)
def test_a_lone_expression_keeps_the_type_of_its_value(value: object) -> None:
    rendered = render("${ inputs.x }", {"inputs": {"x": value}})
    assert rendered == value
    assert type(rendered) is type(value)


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("Blocked ${ inputs.address }, by ${steps.gate.approvers}", "Blocked 192.0.2.7, by Ann, Bo"),
        ("${ inputs.flag }/${ inputs.none }/${ inputs.half }/${ inputs.whole }", "true/null/0.5/2"),
        ("a ${ steps.owner.outputs.tags }", 'a {"a": [1, true]}'),
        ("$${ not } ${ '}' } $5", "${ not } } $5"),
        ("${ {'a': {'b': 1}}.a.b }", 1),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_text_is_filled_in(text: str, rendered: object) -> None:
    assert render(text, SCOPE) == rendered


def test_rendering_walks_nested_values_and_leaves_the_rest_alone() -> None:
    assert render({"a": ["${ inputs.zero }", 5], "b": None}, SCOPE) == {"a": [0, 5], "b": None}


def test_what_is_filled_in_is_never_evaluated_again() -> None:
    assert render("x ${ inputs.x }", {"inputs": {"x": "${ 1 + 1 }"}}) == "x ${ 1 + 1 }"


def test_an_expression_that_is_not_closed_is_an_error() -> None:
    with pytest.raises(ExpressionError, match="not closed"):
        render("a ${ 'x}'", SCOPE)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("steps.gate.approvers", {("steps", "gate", "approvers")}),
        ("alert.observables.ip[0]", {("alert", "observables", "ip")}),
        ("inputs['a'].b", {("inputs", "a", "b")}),
        ("inputs[run.name]", {("inputs",), ("run", "name")}),
        ("alert.assets.filter(item, item.size() > inputs.n)", {("alert", "assets"), ("inputs", "n")}),
        ("has(case.owner) && {'k': [now]}.k != []", {("case", "owner"), ("now",)}),
        ("'inputs.a ${steps.b}'", set()),
    ],
)
def test_the_references_are_those_of_the_syntax_tree(source: str, expected: set[tuple[str, ...]]) -> None:
    assert paths(source) == expected


def test_references_are_found_in_nested_values() -> None:
    value = {"a": ["${ inputs.x } and ${ steps.b.state }"], "c": "$${ inputs.y }"}
    assert references(value) == {("inputs", "x"), ("steps", "b", "state")}
    assert list(sources(value)) == ["inputs.x", "steps.b.state"]


def test_syntax_is_told_without_evaluating() -> None:
    assert syntax_error("inputs.anything / 0 == 1") is None
    assert "ends too early" in (syntax_error("1 +") or "")


@given(st.text(alphabet="inputs.x[]{}()+-/'\"$ 019&|?:!=<>\n", max_size=60))
def test_no_text_crashes_the_evaluation(source: str) -> None:
    for use in (lambda: evaluate(source, SCOPE), lambda: render(source, SCOPE), lambda: paths(source)):
        with suppress(ExpressionError):
            use()
