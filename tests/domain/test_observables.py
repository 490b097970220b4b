"""Observables are found in text, defanged or not, in time linear in its length."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.domain.observables import MAX_FOUND, MAX_VALUE, extract, normalized


def found(text: str) -> list[tuple[str, str]]:
    return [(each.type, each.value) for each in extract(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from 192.0.2.7.", [("ip", "192.0.2.7")]),
        ("src=192.0.2.7:8080,dst=198.51.100.2", [("ip", "192.0.2.7"), ("ip", "198.51.100.2")]),
        ("(2001:DB8::1) [fe80::2]", [("ip", "2001:db8::1"), ("ip", "fe80::2")]),
        ("10[.]0[.]0(.)1 and 10{dot}0[dot]0(dot)2", [("ip", "10.0.0.1"), ("ip", "10.0.0.2")]),
        (
            "see hxxps://evil[.]example[.]com/a?b=c, now",
            [("url", "https://evil.example.com/a?b=c"), ("domain", "evil.example.com")],
        ),
        ("HXXP[:]//x.example", [("url", "http://x.example"), ("domain", "x.example")]),
        ("<http://[2001:db8::1]:80/>", [("url", "http://[2001:db8::1]:80/"), ("ip", "2001:db8::1")]),
        ("http://user:pass@192.0.2.7/x", [("url", "http://user:pass@192.0.2.7/x"), ("ip", "192.0.2.7")]),
        ("Mail to A.b@C.example.", [("email", "a.b@c.example")]),
        ("user[at]mail(dot)example", [("email", "user@mail.example")]),
        (
            "WWW.Example.COM. xn--bcher-kva.example",
            [("domain", "www.example.com"), ("domain", "xn--bcher-kva.example")],
        ),
        ("MD5:" + "A" * 32, [("hash", "a" * 32)]),
        ("a" * 40 + " " + "b" * 64, [("hash", "a" * 40), ("hash", "b" * 64)]),
        ("192.0.2.7 192[.]0.2.7", [("ip", "192.0.2.7")]),
    ],
)
def test_an_observable_is_found(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "22:30",
        "1.2.3",
        "192.0.2.999",
        "setup.exe",
        "C:\\temp\\a.dll",
        "a@b",
        "::",
        "b" * 33,
        "v1.2",
        "-a.example",
    ],
)
def test_what_only_looks_like_one_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_the_offsets_are_those_of_the_word() -> None:
    (only,) = extract("at 192[.]0.2.7, twice 192.0.2.7")
    assert (only.start, only.end) == (3, 15)


@given(st.text(alphabet="ahtp:/.[]()@dot1 \\-xn=é"))
def test_no_text_crashes_the_extractor_and_what_it_finds_is_normal(text: str) -> None:
    for each in extract(text):
        assert 0 <= each.start < each.end <= len(text)
        assert normalized(each.type, each.value) == each.value


@pytest.mark.parametrize(
    "unit",
    ["a", "a.", "a@", "1.", ":", "http://", "[.]", "hxxp://a[.]b", "a-", "0123456789abcdef", "(", "a.b@c.d "],
)
def test_the_work_grows_with_the_length_and_not_with_its_square(unit: str) -> None:
    """Counts calls, which do not depend on the machine: twice the text takes at most about twice as many."""

    def calls(text: str) -> int:
        count = 0

        def tracer(frame: object, event: str, argument: object) -> None:
            nonlocal count
            count += event in {"call", "c_call"}

        before = sys.getprofile()
        sys.setprofile(tracer)
        extract(text)
        sys.setprofile(before)
        return count

    assert calls(unit * 2000) <= 2.5 * calls(unit * 1000) + 100


def test_a_blob_and_a_flood_are_bounded() -> None:
    assert found("a" * 100 * MAX_VALUE + ".example") == []
    assert len(extract(" ".join(f"10.0.{i // 250}.{i % 250}" for i in range(5000)))) == MAX_FOUND


@pytest.mark.parametrize(("kind", "value"), [("ip", "x"), ("ip", ""), ("user", " "), ("url", "x" * 3000)])
def test_a_value_without_a_normal_form_gets_a_sentence(kind: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"not an IP address|characters"):
        normalized(kind, value)
