"""The sequencer: every committed entry gets one place, in a tree that only grows and is signed."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from playbooks.audit import Stream, append, reading, sequencer
from playbooks.audit.proofs import consistency, inclusion_proofs, root_at
from playbooks.audit.sequencer import ForkError, sequence_once
from playbooks.audit.signing import Signer, SigningKeyError, load_signer
from playbooks.audit.verification import problems
from playbooks.domain.notes import Checkpoint, open_checkpoint
from playbooks.domain.tree import Frontier, verify_consistency, verify_inclusion
from playbooks.models.audit import AuditCheckpoint, AuditLeaf, AuditPending
from tests.audit.making import entry, write
from tests.databases import walls_down

only_on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="two transactions at once need PostgreSQL (SOAR_DATABASE_URL)"
)


def checkpoint_of(note: str, signer: Signer) -> Checkpoint:
    return open_checkpoint(note.encode(), signer.key)


def test_a_log_begins_with_its_name_and_key(db: None, signer: Signer) -> None:
    sequence_once(signer)
    begun = [reading.body_of(row.pk) for row in reading.entries().order_by("id")]
    assert [body.verb for body in begun if body] == ["log.started", "key.introduced"]
    assert begun[1] is not None
    assert begun[1].facts == {"key": str(signer.key)}


def test_places_are_dense_and_the_root_is_signed(db: None, signer: Signer) -> None:
    rows = write(*[entry() for _ in range(11)])
    signed = sequence_once(signer)
    assert signed is not None
    leaves = list(AuditLeaf.objects.order_by("index"))
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(bytes(leaf.leaf))
    assert [leaf.index for leaf in leaves] == list(range(len(rows) + 2))
    assert checkpoint_of(signed.note, signer).root == frontier.root() == root_at(13)
    assert not AuditPending.objects.exists()


def test_with_nothing_new_nothing_is_signed_and_two_reads_are_made(db: None, signer: Signer) -> None:
    sequence_once(signer)
    with CaptureQueriesContext(connection) as captured:
        assert sequence_once(signer) is None
    assert len(captured) == 2


def test_silence_is_signed_too(db: None, signer: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    first = sequence_once(signer)
    monkeypatch.setattr(sequencer, "HEARTBEAT", timedelta(0))
    second = sequence_once(signer)
    assert first is not None
    assert second is not None
    assert (second.size, bytes(second.root)) == (first.size, bytes(first.root))
    assert second.note != first.note


def test_a_batch_is_bounded_and_the_rest_follows(
    db: None, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer, "BATCH", 3)
    write(*[entry() for _ in range(6)])
    sizes = [checkpoint.size for checkpoint in iter(lambda: sequence_once(signer), None)]
    assert sizes == [3, 6, 8]


def test_proofs_from_the_stored_tree_hold(db: None, signer: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequencer, "BATCH", 7)
    write(*[entry() for _ in range(20)])
    signed = list(iter(lambda: sequence_once(signer), None))
    roots = {checkpoint.size: bytes(checkpoint.root) for checkpoint in signed}
    leaves = [bytes(leaf) for leaf in AuditLeaf.objects.order_by("index").values_list("leaf", flat=True)]
    with CaptureQueriesContext(connection) as captured:
        paths = inclusion_proofs(range(22), 22)
    assert len(captured) == 1
    assert all(verify_inclusion(leaf, i, 22, paths[i], roots[22]) for i, leaf in enumerate(leaves))
    for old, root in roots.items():
        assert verify_consistency(old, 22, root, roots[22], consistency(old, 22))


def test_a_receipt_is_awaited_until_it_is_signed(db: None, signer: Signer) -> None:
    row = write(entry())[0]
    assert reading.awaits_receipt("r-1")
    assert reading.place_of(row.pk) is None
    assert reading.waiting_since() is not None
    sequence_once(signer)
    place = reading.place_of(row.pk)
    assert not reading.awaits_receipt("r-1")
    assert place is not None
    assert (place.index, place.size) == (0, 3)


def test_nothing_is_signed_over_a_database_that_was_set_back(fresh_database: None, signer: Signer) -> None:
    """Restoring an older backup would make a second, different history of the same size."""
    with transaction.atomic():
        write(entry())
        sequence_once(signer)
        transaction.set_rollback(True)
    with pytest.raises(ForkError, match="older backup"):
        sequence_once(signer)
    assert not AuditCheckpoint.objects.exists()


def test_nothing_is_signed_over_a_tree_that_was_changed(db: None, signer: Signer) -> None:
    write(*[entry() for _ in range(6)])
    sequence_once(signer)
    with walls_down():
        AuditLeaf._base_manager.filter(index=7).update(completed=bytes(96))
    write(entry())
    with pytest.raises(ForkError, match="not those that were signed"):
        sequence_once(signer)


def test_nothing_is_signed_after_a_checkpoint_of_another_key(
    db: None, signer: Signer, tmp_path: Path
) -> None:
    sequence_once(signer)
    write(entry())
    with pytest.raises(ForkError, match="cannot be continued"):
        sequence_once(load_signer(tmp_path / "other"))


def test_nothing_is_signed_when_leaves_are_gone(db: None, signer: Signer) -> None:
    sequence_once(signer)
    write(entry())
    with walls_down():
        AuditLeaf._base_manager.filter(index=1).delete()
    with pytest.raises(ForkError, match="holds 1 leaves"):
        sequence_once(signer)


def test_the_key_is_made_once_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    first = load_signer(tmp_path)
    assert load_signer(tmp_path).key == first.key
    assert (tmp_path / "audit-signing-key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["audit-signing-key"]
    (tmp_path / "audit-signing-key").chmod(0o644)
    with pytest.raises(SigningKeyError, match="0600"):
        load_signer(tmp_path)


def test_racing_first_starts_agree_on_one_key(tmp_path: Path) -> None:
    barrier, keys = threading.Barrier(8), []

    def start() -> None:
        barrier.wait()
        keys.append(str(load_signer(tmp_path).key))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(keys)) == 1
    assert len(keys) == 8


def test_a_broken_key_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "audit-signing-key").touch(0o600)
    with pytest.raises(SigningKeyError, match="Restore it"):
        load_signer(tmp_path)


def test_the_command_takes_everything_and_ends(db: None, settings: object, tmp_path: Path) -> None:
    settings.SOAR_HOME = tmp_path  # type: ignore[attr-defined]
    write(entry())
    call_command("sequence", "--once")
    assert AuditLeaf.objects.count() == 3
    now = write(entry())[0].occurred_at
    AuditCheckpoint.objects.create(size=9, root=b"", frontier=b"", note="", signed_at=now)
    with pytest.raises(CommandError, match="Nothing is signed any more"):
        call_command("sequence", "--once")


def in_thread(work: object) -> threading.Thread:
    def run() -> None:
        try:
            work()  # type: ignore[operator]
        finally:
            connections.close_all()

    return threading.Thread(target=run)


@only_on_postgresql
def test_two_sequencers_at_once_give_each_entry_one_place(fresh_database: None, signer: Signer) -> None:
    sequence_once(signer)
    stop, failures = threading.Event(), []

    def sequence() -> None:
        while not stop.is_set():
            try:
                sequence_once(signer)
            except Exception as error:  # noqa: BLE001 - told by the test
                failures.append(error)
                return

    def work() -> None:
        for _ in range(30):
            write(entry(), entry())

    rivals, writers = [in_thread(sequence) for _ in range(2)], [in_thread(work) for _ in range(3)]
    for thread in rivals + writers:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in rivals:
        thread.join()
    sequence_once(signer)
    assert failures == []
    assert AuditLeaf.objects.count() == 2 + 3 * 30 * 2
    assert list(problems(signer.key)) == []


@only_on_postgresql
def test_a_long_transaction_holds_up_nobody_and_is_not_passed_over(
    fresh_database: None, signer: Signer
) -> None:
    written, finish = threading.Event(), threading.Event()

    def slowly() -> None:
        with transaction.atomic():
            append(entry(slow=True))
            written.set()
            finish.wait(30)

    slow = in_thread(slowly)
    slow.start()
    assert written.wait(30)
    # Another stream, written and committed while the first transaction is open.
    write(entry(Stream("run", "quick")))
    first = sequence_once(signer)
    finish.set()
    slow.join()
    second = sequence_once(signer)
    assert first is not None
    assert second is not None
    assert (first.size, second.size) == (3, 4)
    assert list(problems(signer.key)) == []
