"""The audit log on pages: found, proved, exported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.urls import reverse

from playbooks.audit import reading
from playbooks.audit.sequencer import sequence_once
from playbooks.audit.signing import load_signer
from playbooks.domain.verbs import Verb
from tests.web.conftest import Look, World


def entry_of(world: World, verb: Verb = Verb.REQUEST_OPENED) -> int:
    row = reading.entries(subject=str(world.request.pk), verb=verb).first()
    assert row is not None
    return int(row.pk)


def test_an_entry_waits_for_its_checkpoint_and_is_proved_under_it(
    world: World, look: Look, tmp_path: Path
) -> None:
    browser, address = look("compliance"), reverse("audit-entry", args=[entry_of(world)])
    assert "Not yet under a signed checkpoint" in browser.get(address).content.decode()
    sequence_once(load_signer(tmp_path))
    answer = browser.get(address)
    assert answer.context["is_proved"]
    assert "under the signed root" in answer.content.decode()


def test_an_entry_leads_to_its_neighbours_and_to_its_subject(world: World, look: Look) -> None:
    text = look("compliance").get(reverse("audit-entry", args=[entry_of(world)])).content.decode()
    assert 'rel="prev"' in text
    assert reverse("approval", args=[world.request.pk]) in text


def test_refusals_are_found_with_their_rule(world: World, look: Look) -> None:
    form = {"verdict": "approve", "digest": world.request.digest}
    look("analyst").post(reverse("decide", args=[world.request.pk]), form)
    text = look("compliance").get(reverse("audit"), {"outcome": "refused"}).content.decode()
    assert "<code>own_request</code>" in text
    text = look("compliance").get(reverse("audit"), {"q": "decision.refused"}).content.decode()
    assert "<code>own_request</code>" in text


def test_an_export_is_streamed_and_is_an_entry(world: World, look: Look) -> None:
    answer = look("compliance").post(reverse("audit-export"), {"run": str(world.run.pk), "form": "jsonl"})
    assert answer.status_code == 200
    assert answer.streaming
    assert "attachment" in answer["Content-Disposition"]
    lines = b"".join(answer.streaming_content).splitlines()
    assert json.loads(lines[0])["stream"]["key"] == str(world.run.pk)
    assert reading.entries(verb=Verb.EXPORT_MADE).count() == 1


@pytest.mark.parametrize(
    "form", [{}, {"run": "x"}, {"since": "2026-01-01T00:00"}, {"person": "analyst", "form": "exe"}]
)
def test_an_export_of_nothing_in_particular_is_not_made(
    world: World, look: Look, form: dict[str, str]
) -> None:
    answer = look("compliance").post(reverse("audit-export"), {"form": "jsonl", **form})
    assert answer.status_code == 400
    assert reading.entries(verb=Verb.EXPORT_MADE).count() == 0


def test_the_page_of_exports_shows_the_key_that_checks_them(world: World, look: Look, tmp_path: Path) -> None:
    signer = load_signer(tmp_path)
    sequence_once(signer)
    assert str(signer.key) in look("compliance").get(reverse("audit-export")).content.decode()


@pytest.mark.parametrize("person", ["admin", "analyst", "outsider"])
def test_who_may_not_export_exports_nothing(world: World, look: Look, person: str) -> None:
    form = {"run": str(world.run.pk), "form": "jsonl"}
    assert look(person).post(reverse("audit-export"), form).status_code == 403
    assert reading.entries(verb=Verb.EXPORT_MADE).count() == 0
    (refused,) = reading.entries(verb=Verb.ACTION_REFUSED).select_related("body")
    assert b'"call":"POST /audit/export/"' in bytes(refused.body.body)
