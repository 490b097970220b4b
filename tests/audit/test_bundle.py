"""The evidence bundle: what was exported verifies anywhere, and says when somebody touched it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from playbooks.audit import bundle, scopes
from playbooks.audit.scopes import Selection
from playbooks.audit.sequencer import sequence_once
from playbooks.audit.signing import Signer, load_signer
from playbooks.audit.verifier import MODULES, verifier_source
from playbooks.domain.archive import RefusalError
from playbooks.domain.canonical import canonical
from playbooks.domain.notes import VerifierKey
from playbooks.domain.verbs import Verb
from playbooks.domain.verify import Report, main, verify
from playbooks.models.audit import AuditEntry
from tests.audit.making import entry, write
from tests.audit.story import ALERT, CASE, OWNER, RUN, export, tell

Files = dict[str, bytes]


def unpack(content: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(files: Files) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def check(content: bytes, key: VerifierKey, folder: Path) -> Report:
    path = folder / "bundle.zip"
    path.write_bytes(content)
    return verify(str(path), key)


def refusal(content: bytes, key: VerifierKey, folder: Path) -> RefusalError:
    with pytest.raises(RefusalError) as caught:
        check(content, key, folder)
    return caught.value


@pytest.fixture
def told(db: None) -> None:
    tell()


def test_the_bundle_of_a_case_verifies_and_its_approvals_replay(
    told: None, signer: Signer, tmp_path: Path
) -> None:
    report = check(export(signer), signer.key, tmp_path)
    assert (report.streams, report.entries) == (3, 14)
    assert (report.runs_replayed, report.decisions, report.refusals) == (1, 2, 1)
    assert (report.approved_actions, report.other_actions) == (1, 0)


@pytest.mark.parametrize(
    "scope",
    [
        scopes.run(RUN.key),
        scopes.person(OWNER.id),
        scopes.period(timezone.now() - timedelta(hours=1), timezone.now() + timedelta(hours=1)),
        scopes.period(timezone.now() - timedelta(hours=2), timezone.now() - timedelta(hours=1)),
    ],
    ids=["run", "person", "period", "silence"],
)
def test_every_scope_verifies(told: None, signer: Signer, tmp_path: Path, scope: scopes.Scope) -> None:
    sequence_once(signer)
    report = check(export(signer, scope), signer.key, tmp_path)
    assert report.scope == scope.as_json()
    assert report.entries > 0


def test_a_bundle_of_the_same_checkpoint_has_the_same_bytes(told: None, signer: Signer) -> None:
    exported = bundle.make(
        scopes.case(CASE.key),
        io.BytesIO(),
        actor=OWNER,
        now=timezone.now(),
        wait=lambda: sequence_once(signer),
    )
    copies = [io.BytesIO(), io.BytesIO()]
    for copy in copies:
        bundle.write(exported, copy)
    assert copies[0].getvalue() == copies[1].getvalue()


def test_an_export_holds_what_was_there_when_it_was_recorded(
    told: None, signer: Signer, tmp_path: Path
) -> None:
    exported = bundle.begin(scopes.case(CASE.key), actor=OWNER, now=timezone.now())
    write(entry(RUN, Verb.RUN_ENDED), entry(CASE, Verb.CASE_CLOSED))
    sequence_once(signer)
    file = io.BytesIO()
    bundle.write(exported, file)
    assert check(file.getvalue(), signer.key, tmp_path).entries == 14


def test_an_export_is_itself_an_entry_of_the_next(told: None, signer: Signer, tmp_path: Path) -> None:
    export(signer)
    assert check(export(signer), signer.key, tmp_path).entries == 15


def test_an_export_without_a_sequencer_says_what_to_start(
    told: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "PATIENCE", -1.0)
    with pytest.raises(bundle.ExportError, match=r"manage\.py sequence"):
        bundle.make(scopes.case(CASE.key), io.BytesIO(), actor=OWNER, now=timezone.now())


def test_there_is_no_export_of_what_the_log_does_not_know(db: None) -> None:
    with pytest.raises(bundle.ExportError, match="no entry about the case"):
        bundle.begin(scopes.case("nobody"), actor=OWNER, now=timezone.now())


def test_json_lines_are_the_canonical_bytes(told: None, signer: Signer) -> None:
    lines = export(signer, form="jsonl").splitlines()
    assert set(lines) < set(unpack(export(signer))["entries.jsonl"].splitlines())
    assert [json.loads(line)["verb"] for line in lines][:3] == [
        "case.opened",
        "alert.attached",
        "run.attached",
    ]


def test_case_57_another_key_is_refused_even_the_bundles_own(
    told: None, signer: Signer, tmp_path: Path
) -> None:
    """57: who forges a bundle signs it too, so only the key that the auditor already had counts."""
    other = load_signer(tmp_path / "other")
    assert "no signature" in refusal(export(signer), other.key, tmp_path).reason
    with pytest.raises(SystemExit) as usage:
        main([str(tmp_path / "bundle.zip")])
    assert usage.value.code == 2


def without(files: Files, part: bytes) -> Files:
    """The bundle without the entries that contain `part`, nor their proofs."""
    keep = [part not in line for line in files["entries.jsonl"].splitlines()]
    changed = dict(files)
    for name in ("entries.jsonl", "proofs.jsonl"):
        lines = files[name].splitlines(keepends=True)
        changed[name] = b"".join(line for line, kept in zip(lines, keep, strict=True) if kept)
    return changed


def counted(files: Files) -> Files:
    """With a manifest that counts what is left."""
    manifest = json.loads(files["manifest.json"])
    manifest["entries"] = len(files["entries.jsonl"].splitlines()) - 1
    return {**files, "manifest.json": canonical(manifest)}


def test_case_56_a_refusal_cannot_be_filtered_out_of_an_export(
    told: None, signer: Signer, tmp_path: Path
) -> None:
    """56: entries, proofs and manifest rewritten together do not fit the export's own entry in the tree."""
    files = counted(without(unpack(export(signer)), b"decision.refused"))
    assert refusal(pack(files), signer.key, tmp_path).entry == "case/c-1#4 (export.made)"


def test_a_manifest_forged_together_with_the_log_still_needs_whole_streams(
    told: None, signer: Signer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """56, by a server that signs a filtered export itself: the gap in the stream is found and named."""
    left_out = AuditEntry.objects.get(verb=Verb.DECISION_REFUSED.value).pk
    rows = Selection.rows
    monkeypatch.setattr(Selection, "rows", lambda self: (row for row in rows(self) if row.pk != left_out))
    monkeypatch.setattr(Selection, "count", lambda self: 13)
    found = refusal(export(signer), signer.key, tmp_path)
    assert (found.entry, found.reason[:21]) == ("run/r-1#4 (decision.made)", "run/r-1#3 is missing,")


def test_a_stream_that_the_case_names_cannot_be_left_out(
    told: None, signer: Signer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scopes, "named_by_case", lambda key: [ALERT])
    found = refusal(export(signer), signer.key, tmp_path)
    assert (found.entry, found.reason[:22]) == ("case/c-1#3 (run.attached)", "It names the run r-1, ")


def test_verify_py_runs_alone_without_the_product_and_says_the_same(
    told: None, signer: Signer, tmp_path: Path
) -> None:
    content = export(signer)
    files = unpack(content)
    (tmp_path / "verify.py").write_bytes(files["verify.py"])
    (tmp_path / "good.zip").write_bytes(content)
    (tmp_path / "key").write_text(f"The key:\n{signer.key}\n")
    files["entries.jsonl"] = files["entries.jsonl"].replace(b'{"alert":"a-1"}', b'{"alert":"a-2"}')
    (tmp_path / "bad.zip").write_bytes(pack(files))
    answers = [
        subprocess.run(
            [sys.executable, "-I", "-S", "verify.py", name, "--key", "key", *options],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        for name, options in (("good.zip", []), ("bad.zip", ["--json"]))
    ]
    assert answers[0].returncode == 0, answers[0]
    assert answers[0].stdout.startswith("VERIFIED: 14 entries about case c-1")
    assert answers[1].returncode == 1
    assert json.loads(answers[1].stdout)["entry"] == "case/c-1#2 (alert.attached)"


def test_the_modules_of_the_verifier_do_not_hide_each_others_names() -> None:
    names = [
        name
        for module in MODULES
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__
    ]
    assert len(names) == len(set(names))
    assert "playbooks" not in verifier_source().replace("--- playbooks", "")


def test_a_version_that_ran_and_is_not_there_is_named(db: None, signer: Signer, tmp_path: Path) -> None:
    write(entry(RUN, Verb.RUN_STARTED, version_digest="ab" * 32, requesters={}))
    found = refusal(export(signer, scopes.run(RUN.key)), signer.key, tmp_path)
    assert found.entry == "run/r-1#1 (run.started)"
    assert "playbook version" in found.reason
