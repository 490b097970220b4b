"""YAML and JSON from outside are read strictly, and refused with a place."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.domain.problems import Unreadable, nearest
from playbooks.domain.reader import MAX_BYTES, read_yaml
from playbooks.domain.strict_json import read_json

SCALARS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(alphabet="ab:{ é\n'\"")
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("no", "no"),
        ("22:30", "22:30"),
        ("2026-01-31", "2026-01-31"),
        ("1_000", "1_000"),
        ("true", True),
        ("~", None),
        ("", None),
        ("0o17", 15),
        ("017", 17),
        ("0xff", 255),
        ("-12", -12),
        ("1e3", 1000.0),
        (".5", 0.5),
        ('"true"', "true"),
        ("'12'", "12"),
        ("<<: a", {"<<": "a"}),
        ("on: {no: [yes]}", {"on": {"no": ["yes"]}}),
    ],
)
def test_plain_scalars_follow_the_core_rules_of_yaml_1_2(text: str, value: object) -> None:
    assert read_yaml(text).data == value


@pytest.mark.parametrize(
    ("text", "place", "part"),
    [
        ("a: 1\nb: 2\na: 3", (3, 1), "the key 'a' is given twice"),
        ("a: &x 1", (1, 4), "anchor"),
        ("a: !!int 1", (1, 4), "tag"),
        ("a: .nan", (1, 4), "no number"),
        ("a: -.inf", (1, 4), "no number"),
        ("a: 1e999", (1, 4), "too large"),
        ("a: 9007199254740993", (1, 4), "too large"),
        ("a: " + "9" * 5000, (1, 4), "too large"),
        ("1: a", (1, 1), "key has to be text"),
        ("? [a]\n: b", (1, 3), "key has to be text"),
        ("a: 1\n---\nb: 2", (2, 1), "second document"),
        ('a: "\\0"', (1, 4), "NUL"),
        ("a:\n\tb", (2, 1), "not YAML"),
        ("é: \x00", (1, 4), "not allowed"),
        ("a\n \ud800", (2, 2), "no Unicode character"),
        ("[" * 30_000, (1, 65), "deeper than 64"),
        ("- " * 30_000, (1, 129), "deeper than 64"),
        ("x" * (MAX_BYTES + 1), (1, 1), "bytes"),
    ],
)
def test_what_yaml_would_let_pass_is_refused_at_its_place(
    text: str, place: tuple[int, int], part: str
) -> None:
    with pytest.raises(Unreadable) as caught:
        read_yaml(text)
    first = caught.value.problems[0]
    assert (first.line, first.column) == place
    assert part in first.message


def test_all_refused_constructs_are_reported_together_and_sorted() -> None:
    with pytest.raises(Unreadable) as caught:
        read_yaml("a: &x 1\nb: *x\nb: !!str c\n")
    assert [problem.line for problem in caught.value.problems] == [1, 2, 3, 3]


def test_a_place_is_that_of_the_value_and_of_the_nearest_ancestor_where_there_is_none() -> None:
    document = read_yaml("a:\n  b: [x, {c: d}]\n")
    assert document.place(("a", "b", 1, "c")) == (2, 14)
    assert document.place(("a", "b", 7, "z")) == (2, 6)
    assert document.place_of_key(("a", "b")) == (2, 3)
    assert document.place(()) == (1, 1)


@given(st.text())
def test_no_text_crashes_the_reader(text: str) -> None:
    with suppress(Unreadable):
        read_yaml(text)


@given(VALUES)
def test_json_is_read_as_the_yaml_that_it_is(value: object) -> None:
    text = json.dumps(value)
    assert read_yaml(text).data == value
    assert read_json(text.encode()) == value


@pytest.mark.parametrize(
    ("raw", "place", "part"),
    [
        (b'{"a": 1,\n "a": 2}', (2, 2), "the key 'a' is given twice"),
        (b'{"x": {"k": ["k"]}, "x": 1}', (1, 21), "the key 'x' is given twice"),
        (b'{"\\u0061": 1, "a": 2}', (1, 15), "the key 'a' is given twice"),
        (b"[1, NaN]", (1, 5), "NaN"),
        (b"[-Infinity]", (1, 2), "-Infinity"),
        (b"[1e999]", (1, 2), "too large"),
        (b"18446744073709551616", (1, 1), "too large"),
        (b"-" + b"9" * 5000, (1, 1), "too large"),
        (b'"a\\ud800"', (1, 3), "surrogate"),
        (b'"\\udc00\\ud800"', (1, 2), "surrogate"),
        (b'"\\ud800x\\udc00"', (1, 2), "surrogate"),
        (b'{"\\u0000": 1}', (1, 3), "NUL"),
        (b'"\x00"', (1, 2), "not JSON"),
        (b'"\xff"', (1, 2), "UTF-8"),
        (b"[" * 100_000, (1, 65), "deeper than 64"),
        (b'{"a":' * 65, (1, 321), "deeper than 64"),
        (b'{"a": 1', (1, 8), "not JSON"),
        (b"", (1, 1), "not JSON"),
        (b'"' + b'\\"' * 500_000, (1, 1), "not JSON"),
        (b'["' + b"[" * 100 + b'", ' + b"[" * 64, (1, 169), "deeper than 64"),
    ],
)
def test_what_json_would_let_pass_is_refused_at_its_place(
    raw: bytes, place: tuple[int, int], part: str
) -> None:
    with pytest.raises(Unreadable) as caught:
        read_json(raw)
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == place
    assert part in problem.message


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"\\\\ud800"', "\\ud800"),
        (b'"' + b"[" * 1000 + b'"', "[" * 1000),
        (b"[" * 64 + b"]" * 64, None),
        (b"18446744073709551615", 2**64 - 1),
        (b"[]" + b" " * 10, []),
    ],
)
def test_what_only_looks_wrong_is_read(raw: bytes, value: object) -> None:
    read = read_json(raw)
    assert value is None or read == value


@given(st.binary() | st.text(alphabet='[]{}":,\\ud80cNaIE1-. \n').map(str.encode))
def test_no_bytes_crash_the_json_reader(raw: bytes) -> None:
    with suppress(Unreadable):
        read_json(raw)


def test_the_nearest_name_is_offered_only_when_one_is_near() -> None:
    assert nearest("wiht", ["with", "using"]) == ", did you mean 'with'?"
    assert nearest("zzz", ["with", "using"]) == ""
