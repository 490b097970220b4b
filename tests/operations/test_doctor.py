"""What is wrong with an installation, in the words of `manage.py doctor`."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from playbooks.connectors import isolation
from tests.cast import Cast, publish

NESTED = """
playbook: nested
title: Nested
steps:
  - id: hosts
    each: [a]
    steps:
      - {id: gate, approve: "Go on?", seats: [{role: nobody-has-this}]}
      - {id: scope, ask: "Which?", fields: {one: {type: string}}, who: {role: nor-this}}
      - {id: score, script: {python: "print({})"}}
"""


def complaints() -> str:
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("doctor", stdout=out)
    return out.getvalue()


def test_gates_and_questions_on_every_level_that_nobody_can_answer_are_named(cast: Cast) -> None:
    publish(cast, NESTED)
    said = complaints()
    assert "gate of nested: it needs somebody else with the role nobody-has-this" in said
    assert "scope of nested: it needs somebody else with the role nor-this" in said


def test_scripts_that_cannot_run_are_named_only_where_there_are_any(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    why = isolation.unavailable()
    assert why
    assert why not in complaints()
    publish(cast, NESTED)
    assert f"The scripts of nested cannot run here. {why}" in complaints()


def test_an_installation_without_policies_is_told_so(cast: Cast) -> None:
    assert "No policy is in force" in complaints()


def test_policies_whose_seats_nobody_could_fill_are_named(cast: Cast, default_policies: None) -> None:
    said = complaints()
    assert (
        "what the policy destroying-takes-two asks: it needs somebody else for the seat asset-owner" in said
    )
    assert "change-in-production" not in said
    assert "No policy is in force" not in said
