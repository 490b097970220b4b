"""The audit log over HTTP: searched by who may, proved, and exported with an entry of its own."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.http import FileResponse

from playbooks.audit import bundle, reading
from playbooks.audit.sequencer import sequence_once
from playbooks.audit.signing import load_signer
from playbooks.domain.canonical import canonical
from playbooks.domain.tree import leaf_hash
from playbooks.domain.verbs import Verb
from tests.api.callers import Api, at_the_gate, session
from tests.cast import Cast


def body_of(answer: Any) -> bytes:
    assert isinstance(answer, FileResponse)
    return b"".join(answer)  # type: ignore[arg-type]  # a test reads it without a loop of events


@pytest.fixture
def compliance(cast: Cast) -> Api:
    return session(cast.compliance)


def test_entries_are_found_by_case_run_verb_and_actor(cast: Cast, compliance: Api) -> None:
    run, _ = at_the_gate(cast)

    def verbs(**query: Any) -> list[str]:
        return [each["verb"] for each in compliance.get("audit/entries/", **query).json()["results"]]

    assert "run.started" in verbs(run=run.pk)
    assert "version.published" not in verbs(run=run.pk)
    assert {"case.opened", "run.attached", "run.started"} <= set(verbs(case=run.case_id))
    assert set(verbs(verb="version.published")) == {"version.published"}
    assert verbs(actor=cast.outsider.pk) == []
    assert verbs(**{"from": "2020-01-01", "to": "2020-01-02T00:00:00Z"}) == []
    assert compliance.get("audit/entries/", case="wat").status_code == 400


def test_an_entry_says_what_happened_in_full(cast: Cast, compliance: Api) -> None:
    run, request = at_the_gate(cast)
    (entry,) = compliance.get("audit/entries/", run=run.pk, verb="request.opened").json()["results"]
    assert entry["facts"]["digest"] == request.digest
    assert entry["subject"] == {"kind": "request", "id": str(request.pk), "label": request.question}
    assert entry["stream"] == f"run/{run.pk}"


@pytest.mark.parametrize("who", ["analyst", "author"])
def test_whoever_may_not_see_the_log_sees_nothing_of_it(cast: Cast, who: str) -> None:
    at_the_gate(cast)
    api = session(getattr(cast, who))
    for path in ("entries/", "checkpoint/", "proof/1/", "consistency/", "export/"):
        assert api.get(f"audit/{path}").status_code == 403


def test_an_administrator_reads_the_log_and_does_not_export_it(cast: Cast) -> None:
    api = session(cast.admin)
    assert (api.get("audit/entries/").status_code, api.get("audit/export/").status_code) == (200, 403)


def test_an_entry_is_proved_against_the_checkpoint(cast: Cast, compliance: Api, tmp_path: Path) -> None:
    entry = reading.entries().first()
    assert entry is not None
    assert compliance.get("audit/checkpoint/").status_code == 404
    assert compliance.get(f"audit/proof/{entry.pk}/").status_code == 404
    sequence_once(load_signer(tmp_path))
    proof = compliance.get(f"audit/proof/{entry.pk}/").json()
    assert leaf_hash(canonical(proof["body"])).hex() == proof["leaf"]
    checkpoint = compliance.get("audit/checkpoint/").json()
    assert proof["checkpoint"] == checkpoint
    assert compliance.get("audit/checkpoint/", format="note").content.decode() == checkpoint["note"]
    size = checkpoint["size"]
    consistency = compliance.get("audit/consistency/", old=1, new=size).json()
    assert (consistency["new_root"], len(consistency["path"]) > 0) == (checkpoint["root"], True)
    for old, new in ((0, size), (2, 1), (1, size + 1), ("x", 1)):
        assert compliance.get("audit/consistency/", old=old, new=new).status_code == 400


def test_a_case_is_exported_as_lines_and_the_export_is_an_entry(cast: Cast, compliance: Api) -> None:
    run, _ = at_the_gate(cast)
    answer = compliance.get("audit/export/", case=run.case_id, format="jsonl")
    assert answer.status_code == 200
    lines = body_of(answer).splitlines()
    assert any(b'"run.started"' in line for line in lines)
    made = reading.entries(verb=Verb.EXPORT_MADE).get()
    assert (made.actor_id, made.subject_id) == (str(cast.compliance.pk), str(run.case_id))


def test_a_bundle_holds_its_verifier(
    cast: Cast, compliance: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The sequencer runs at the seam at which the export waits for it."""
    run, _ = at_the_gate(cast)
    monkeypatch.setattr(bundle, "pause", lambda: sequence_once(load_signer(tmp_path)))
    answer = compliance.get("audit/export/", run=run.pk)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(body_of(answer))) as archive:
        assert {"manifest.json", "checkpoint", "entries.jsonl", "proofs.jsonl", "verify.py"} <= set(
            archive.namelist()
        )


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400),
        ({"case": "wat"}, 400),
        ({"case": "0190a0a0-0000-7000-8000-000000000000"}, 404),
        ({"person": "nobody"}, 404),
        ({"from": "2026-01-01"}, 400),
        ({"from": "wat", "to": "2026-01-01"}, 400),
        ({"person": "analyst", "run": "0190a0a0-0000-7000-8000-000000000000"}, 400),
        ({"person": "analyst", "format": "docx"}, 400),
    ],
)
def test_an_export_is_about_one_thing_that_exists(
    compliance: Api, query: dict[str, str], status: int
) -> None:
    assert compliance.get("audit/export/", **query).status_code == status
    assert not reading.entries(verb=Verb.EXPORT_MADE).exists()


@pytest.mark.parametrize("query", [{"person": "author"}, {"from": "2020-01-01", "to": "2999-01-01"}])
def test_what_a_person_did_and_a_period_are_exported(
    cast: Cast, compliance: Api, query: dict[str, str], tmp_path: Path
) -> None:
    at_the_gate(cast)
    sequence_once(load_signer(tmp_path))
    lines = body_of(compliance.get("audit/export/", format="jsonl", **query))
    assert b'"version.drafted"' in lines
