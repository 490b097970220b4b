"""Checking the live log: whoever owns the database can change rows, and each change is found and named."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from playbooks.audit.sequencer import sequence_once
from playbooks.audit.signing import Signer
from playbooks.audit.verification import problems
from playbooks.domain.notes import Checkpoint
from playbooks.models.audit import (
    AuditBody,
    AuditCheckpoint,
    AuditEntry,
    AuditLeaf,
    AuditPending,
    AuditStream,
)
from tests.audit.making import entry, write
from tests.databases import walls_down


@pytest.fixture
def log(db: None, signer: Signer) -> list[AuditEntry]:
    rows = write(entry(), entry(), entry())
    sequence_once(signer)
    rows += write(entry())
    sequence_once(signer)
    return rows + write(entry())


def test_an_untouched_log_holds(log: list[AuditEntry], signer: Signer) -> None:
    assert list(problems(signer.key)) == []


def update(model: Any, **columns: Any) -> Callable[[AuditEntry], object]:
    name = {AuditEntry: "pk", AuditBody: "entry", AuditLeaf: "entry", AuditPending: "entry"}[model]
    return lambda row: model._base_manager.filter(**{name: row.pk}).update(**columns)


CHANGES: dict[str, tuple[Callable[[AuditEntry], object], str]] = {
    "a column": (
        update(AuditEntry, actor_label="Somebody Else"),
        "run/r-1#2 (run.started): Its columns were changed",
    ),
    "a body": (update(AuditBody, body=b"{}"), "run/r-1#2 (run.started): Its body was changed"),
    "a leaf of an entry": (
        update(AuditEntry, leaf=bytes(32)),
        "run/r-1#2 (run.started): Its body was changed",
    ),
    "a leaf of the tree": (update(AuditLeaf, leaf=bytes(32)), "run/r-1#2 (run.started): Leaf 1 of the tree"),
    "a subtree": (
        update(AuditLeaf, completed=bytes(32)),
        "run/r-1#2 (run.started): The stored subtrees at leaf 1",
    ),
    "a missing body": (
        lambda row: AuditBody._base_manager.filter(entry=row).delete(),
        "run/r-1#2 (run.started): Its body is missing",
    ),
    "a missing leaf": (
        lambda row: AuditLeaf._base_manager.filter(entry=row).delete(),
        "leaf 1: The leaf is missing",
    ),
    "the end of a stream": (
        lambda row: AuditStream.objects.filter(pk=row.stream_id).update(last_seq=9),
        "run/r-1#6: The entry is missing: the stream counts 9.",
    ),
    "a checkpoint": (
        lambda row: AuditCheckpoint._base_manager.filter(size=5).update(root=bytes(32)),
        "over 5 leaves: Its columns were changed",
    ),
    "a note": (
        lambda row: AuditCheckpoint._base_manager.filter(size=5).update(note="x\n\n— y z\n"),
        "over 5 leaves: A signature, key or root is not base64.",
    ),
    "an entry queued again": (
        lambda row: AuditPending.objects.create(entry=row),
        "run/r-1#2 (run.started): It is in the tree and waits for it again.",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_is_found_and_named(log: list[AuditEntry], signer: Signer, change: str) -> None:
    touch, sentence = CHANGES[change]
    with walls_down():
        touch(log[1])
    assert any(sentence in str(problem) for problem in problems(signer.key))


def test_an_entry_taken_from_the_queue_is_found(log: list[AuditEntry], signer: Signer) -> None:
    AuditPending.objects.filter(entry=log[-1]).delete()
    assert [str(problem) for problem in problems(signer.key)] == [
        "run/r-1#5 (run.started): It is neither in the tree nor waiting for it."
    ]


def test_a_removed_entry_is_found(log: list[AuditEntry], signer: Signer) -> None:
    """53: with everything that hangs on it removed too."""
    with walls_down():
        AuditLeaf._base_manager.filter(entry=log[1]).delete()
        AuditBody._base_manager.filter(entry=log[1]).delete()
        AuditEntry._base_manager.filter(pk=log[1].pk).delete()
    assert "run/r-1#2: The entry is missing." in map(str, problems(signer.key))


def test_a_whole_stream_that_vanished_is_found(log: list[AuditEntry], signer: Signer) -> None:
    with walls_down():
        AuditStream.objects.create(kind="run", key="gone", last_seq=2)
    assert "run/gone#1: The entries of the stream are missing, up to #2." in map(str, problems(signer.key))


def test_a_checkpoint_that_somebody_kept_must_be_continued(log: list[AuditEntry], signer: Signer) -> None:
    other = Checkpoint(signer.name, 4, bytes(32))
    assert "not the one that was signed" in str(next(iter(problems(signer.key, earlier=other))))


def test_the_command_says_so_with_its_status(
    log: list[AuditEntry], signer: Signer, settings: Any, tmp_path: Path
) -> None:
    settings.SOAR_HOME = tmp_path
    said = StringIO()
    kept = tmp_path / "kept"
    kept.write_text(AuditCheckpoint.objects.order_by("id")[0].note)
    call_command("audit_verify", earlier=kept, stdout=said)
    assert said.getvalue().startswith("Everything holds")
    with walls_down():
        CHANGES["a column"][0](log[1])
    with pytest.raises(SystemExit) as ended:
        call_command("audit_verify", key=str(signer.key), stdout=said)
    assert ended.value.code == 1
    assert "run/r-1#2 (run.started): Its columns were changed" in said.getvalue()
    with pytest.raises(CommandError, match="no verifier key"):
        call_command("audit_verify", key="nonsense")


def test_the_key_is_in_the_last_line(signer: Signer, settings: Any, tmp_path: Path) -> None:
    settings.SOAR_HOME = tmp_path
    said = StringIO()
    call_command("audit_key", stdout=said)
    assert said.getvalue().splitlines()[-1] == str(signer.key)


def test_the_export_command_writes_a_file_once(log: list[AuditEntry], settings: Any, tmp_path: Path) -> None:
    target = tmp_path / "run.jsonl"
    call_command("audit_export", run="r-1", format="jsonl", output=target, stdout=StringIO())
    assert len(target.read_bytes().splitlines()) == 5
    with pytest.raises(CommandError, match="exists"):
        call_command("audit_export", run="r-1", format="jsonl", output=target)
    with pytest.raises(CommandError, match="no entry about the case"):
        call_command("audit_export", case="nobody", output=tmp_path / "none.zip")
    assert not (tmp_path / "none.zip").exists()
