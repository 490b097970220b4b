"""What nobody changes, in whatever form it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.domain.policies.never_touch import Protected, TargetKind, normal_value, touched

RANGE = Protected(TargetKind.ADDRESS, "10.1.0.0/16", "Our servers.")
RESOLVER = Protected(TargetKind.ADDRESS, "192.0.2.53/32", "The resolver.")
DOMAIN = Protected(TargetKind.DOMAIN, "corp.example", "Our own domain.")
ADMIN = Protected(TargetKind.ACCOUNT, "emergency", "The emergency account.")
CONTROLLER = Protected(TargetKind.HOST, "dc1.corp.example", "A domain controller.")
ROWS = [RANGE, RESOLVER, DOMAIN, ADMIN, CONTROLLER]


@pytest.mark.parametrize(
    ("target", "row"),
    [
        ("10.1.2.3", RANGE),
        (" 10.1.2.3 ", RANGE),
        ("10.1.2.0/24", RANGE),
        ("10.0.0.0/8", RANGE),  # wider than what is protected
        ("::ffff:10.1.2.3", RANGE),
        ("http://10.1.2.3:8080/admin", RANGE),
        ("/blocks/192.0.2.53", RESOLVER),
        ("corp.example", DOMAIN),
        ("Mail.Corp.Example.", DOMAIN),
        ("example", DOMAIN),  # above it
        ("https://mail.corp.example/login", DOMAIN),
        ("emergency", ADMIN),
        ("CORP\\Emergency", ADMIN),
        ("emergency@other.example", ADMIN),
        ("DC1", CONTROLLER),
        ("\uff44\uff431", CONTROLLER),  # full width
    ],
)
def test_a_protected_target_is_known_in_every_form(target: str, row: Protected) -> None:
    found = touched([row], target, {})
    assert found is not None
    assert found[0] is row


@pytest.mark.parametrize(
    "target",
    ["10.2.0.1", "11.0.0.0/8", "corp.example.org", "xcorp.example", "emergency2", "dc10", "192.0.2.54"],
)
def test_what_only_looks_alike_is_not_protected(target: str) -> None:
    assert touched(ROWS, target, {}) is None


def test_a_target_that_hides_in_a_list_or_below_a_key_is_found() -> None:
    assert touched(ROWS, "group", {"members": ["203.0.113.1", "10.1.0.1"]}) == (RANGE, "10.1.0.1")
    assert touched(ROWS, "group", {"body": {"host": "dc1"}}) == (CONTROLLER, "dc1")


def test_prose_may_name_what_is_protected() -> None:
    assert touched(ROWS, "case-7", {"text": "Seen on 10.1.0.1 and dc1 today."}) is None


@pytest.mark.parametrize("text", ["", "10.0.0.0/99", "no address", "x" * 300])
def test_a_row_that_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"address|characters"):
        normal_value(TargetKind.ADDRESS, text)


@given(st.sampled_from(TargetKind), st.text())
def test_what_is_kept_protects_what_was_said(kind: TargetKind, text: str) -> None:
    try:
        value = normal_value(kind, text)
    except ValueError:
        return
    assert touched([Protected(kind, value, "")], text, {}) is not None


@given(st.text(), st.text())
def test_every_target_has_an_answer(target: str, other: str) -> None:
    touched(ROWS, target, {"other": other})
