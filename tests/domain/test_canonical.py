"""Canonical JSON: the fast way and the reference write the same bytes, and refuse the same values."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from playbooks.domain.canonical import canonical

# Characters whose order in UTF-16 and by code points differs, and those that are escaped.
TEXT = st.text(
    st.characters(codec="utf-8") | st.sampled_from('\x00\x1f\x7f"\\/\b\t\n\f\r\ue000\uffff\U00010000')
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


class Word(StrEnum):
    ONE = "one"


@given(value=JSON)
def test_the_bytes_are_those_of_the_reference(value: object) -> None:
    try:
        expected = rfc8785.dumps(value)
    except rfc8785.CanonicalizationError:
        with pytest.raises(rfc8785.CanonicalizationError):
            canonical(value)
    else:
        assert canonical(value) == expected


@settings(max_examples=1000)
@given(
    value=st.floats(1e-7, 1e22)
    | st.floats(-1e22, -1e-7)
    | st.floats(0, 1e-3)
    | st.integers(0, 2**52).map(float)
)
def test_floats_are_written_as_the_reference_writes_them(value: float) -> None:
    """Around the sizes at which one or the other begins to write an exponent, and where a number is whole."""
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "value",
    [
        Word.ONE,
        {"k": Word.ONE},
        {Word.ONE: 1},
        (1, 2),
        [(1, {"b": 1.0, "a": 1e21})],
        {"\U00010000": 1, "\uffff": 2},
    ],
)
def test_unusual_values_are_written_by_the_reference(value: object) -> None:
    assert canonical(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value", [2**53, "\ud800", {1: 2}, UUID(int=0), {"a": UUID(int=0)}, float("nan"), {1, 2}]
)
def test_what_json_cannot_carry_is_refused(value: object) -> None:
    with pytest.raises(rfc8785.CanonicalizationError):
        canonical(value)
