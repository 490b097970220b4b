"""What a run or a question accepts as input."""

from __future__ import annotations

import pytest

from playbooks.domain.inputs import accept_inputs, unfit
from playbooks.domain.playbook import Input


def test_a_text_may_be_left_empty_when_its_default_is_empty() -> None:
    declared = {"note": Input(type="string", default="")}
    for given in ({}, {"note": ""}):
        assert accept_inputs(declared, given, default=lambda value: value) == ({"note": ""}, [])


@pytest.mark.parametrize(
    "spec", [Input(type="string"), Input(type="ip", default=""), Input(type="list", default="")]
)
def test_nothing_else_may_be_left_empty(spec: Input) -> None:
    assert unfit(spec, "")


def test_what_fits_has_no_sentence() -> None:
    assert unfit(Input(type="list", default=[]), []) == ""
    assert unfit(Input(type="ip"), "192.0.2.1") == ""
