"""How values, statuses and times read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from playbooks.web import tags

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        (24, "24"),
        (True, "true"),
        (None, "null"),
        ([1, "ä"], '[1, "ä"]'),
        ({"a": 1}, '{"a": 1}'),
    ],
)
def test_a_value_reads_as_it_would_be_sent(value: object, text: str) -> None:
    assert tags.as_text(value) == text


@pytest.mark.parametrize("hidden", ["\u202e", "\u200b", "\u0000", "\u2066", "\ufeff", "\u2028"])
def test_what_nobody_can_see_is_written_out(hidden: str) -> None:
    assert tags.visible(f"a{hidden}b") == f"a\\u{ord(hidden):04x}b"
    assert tags.visible("two\nlines\tand ünïcode") == "two\nlines\tand ünïcode"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (59.6, "1 min"), (61, "1 min 1 s"), (3600, "1 h"), (90061, "1 d 1 h")],
)
def test_a_duration_reads_in_two_units_at_most(seconds: float, text: str) -> None:
    assert tags.took(BEGIN, BEGIN + timedelta(seconds=seconds)) == text
    assert tags.took(BEGIN, None) == ""


def test_the_canonical_form_is_the_bytes_of_the_digest() -> None:
    assert tags.as_canonical({"b": 1, "a": "é"}) == '{"a":"é","b":1}'


def test_a_status_reads_without_underscores() -> None:
    assert tags.words("rolling_back") == "rolling back"
