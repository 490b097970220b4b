"""Signed notes and checkpoints: what Go's note package wrote opens here, and nothing that was touched does."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from playbooks.domain import notes
from playbooks.domain.notes import (
    Checkpoint,
    NoteError,
    VerifierKey,
    format_note,
    open_checkpoint,
    open_note,
    parse_checkpoint,
    parse_verifier_key,
)

# The example in the documentation of Go's package golang.org/x/mod/sumdb/note.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
GO_SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
GO_NOTE = f"{GO_TEXT}\n— PeterNeumann {GO_SIGNATURE}\n"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = VerifierKey("countersign-test", PRIVATE.public_key().public_bytes_raw())
CHECKPOINT = Checkpoint("countersign-test", 7, bytes(32), ("signed at noon",))


def signed(text: str, key: VerifierKey = KEY) -> bytes:
    return format_note(text, key, PRIVATE.sign(text.encode())).encode()


@pytest.mark.parametrize("has_library", [True, False])
def test_a_note_of_go_opens_with_and_without_the_library(
    has_library: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_library:
        monkeypatch.setattr(notes, "Ed25519PublicKey", None)
    assert open_note(GO_NOTE.encode(), parse_verifier_key(GO_KEY)) == GO_TEXT
    assert open_checkpoint(signed(str(CHECKPOINT)), KEY) == CHECKPOINT


def test_a_key_reads_back_as_it_is_written() -> None:
    assert parse_verifier_key(f" {KEY}\n") == KEY
    assert str(parse_verifier_key(GO_KEY)) == GO_KEY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a+b",
        "+00000000+AQ==",
        "a b+00000000+AQ==",
        GO_KEY.replace("c74f", "c74e"),
        GO_KEY[:-4],
        "x+00000000+!!!",
    ],
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        parse_verifier_key(text)


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_any_flipped_bit_of_a_checkpoint_is_found(at: int, bit: int) -> None:
    note = bytearray(signed(str(CHECKPOINT)))
    note[at % len(note)] ^= 1 << bit
    with pytest.raises(NoteError):
        open_checkpoint(bytes(note), KEY)


def test_other_signatures_beside_ours_do_no_harm() -> None:
    witness = f"— witness {'A' * 4}{'B' * 88}\n".encode()
    assert open_checkpoint(signed(str(CHECKPOINT)) + witness, KEY) == CHECKPOINT


def test_a_checkpoint_of_another_log_is_refused() -> None:
    with pytest.raises(NoteError, match="about the log elsewhere"):
        open_checkpoint(signed(str(Checkpoint("elsewhere", 7, bytes(32)))), KEY)


@pytest.mark.parametrize(
    "text", ["", "a\n", "a\n1\n", "a\n01\n\n", "a\n-1\nx\n", "a\n1\nAAAA\n", "a\n1\nx", "\n1\nAAAA\n"]
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        parse_checkpoint(text)
