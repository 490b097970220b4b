"""Abuse case 58: what others wrote can do nothing where a message is read."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.domain.plain_text import one_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Block it?\r\nBcc: all@example.org", "Block it? Bcc: all@example.org"),
        ("\x1b[31mred", "\\u001b[31mred"),
        ("abc\u202egnp.exe", "abc\\u202egnp.exe"),
        ("a\u200bb", "a\\u200bb"),
        ('=HYPERLINK("http://x")', '\'=HYPERLINK("http[:]//x")'),
        ("@everyone look", "(at)everyone look"),
        ("bob@example.org", "bob@example.org"),
        ("see https://evil.example/?token=1", "see https[:]//evil.example/?token=1"),
        ("<!channel> <b>", "‹!channel› ‹b›"),
        ("Über alle", "Über alle"),
    ],
)
def test_case_58_text_in_a_message_is_one_harmless_line(text: str, line: str) -> None:
    assert one_line(text) == line


@given(st.text(max_size=500), st.integers(2, 300))
def test_case_58_whatever_the_text_nothing_of_it_breaks_out(text: str, most: int) -> None:
    line = one_line(text, most=most)
    assert len(line) <= most
    assert not {unicodedata.category(each) for each in line} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert not set(line) & set("<>\r\n")
    assert line[:1] not in {"=", "+", "-", "@"}
    assert "://" not in line
