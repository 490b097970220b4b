"""The key that signs checkpoints: a file that only `manage.py sequence` reads.

The file holds one line in the form of Go's note package, `PRIVATE+KEY+name+id+base64(0x01 and the 32-byte
seed)`, with mode 0600. Beside it lies the last checkpoint that was signed, so that a database restored from
an older backup is noticed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from playbooks.domain.notes import ED25519, Checkpoint, VerifierKey, format_note, open_checkpoint

KEY_FILE, LAST_FILE = "audit-signing-key", "audit-last-checkpoint"


class SigningKeyError(Exception):
    """The key file cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Signer:
    """`home` is the folder in which the key lies."""

    home: Path
    name: str
    private: Ed25519PrivateKey

    @property
    def key(self) -> VerifierKey:
        return VerifierKey(self.name, self.private.public_key().public_bytes_raw())

    def sign(self, checkpoint: Checkpoint) -> str:
        """The signed note of the checkpoint."""
        text = str(checkpoint)
        return format_note(text, self.key, self.private.sign(text.encode()))

    def last(self) -> Checkpoint | None:
        """What this key signed last, as far as this machine remembers. Raises NoteError for a changed
        file.
        """
        try:
            note = (self.home / LAST_FILE).read_bytes()
        except FileNotFoundError:
            return None
        return open_checkpoint(note, self.key)

    def remember(self, note: str) -> None:
        _replace(self.home / LAST_FILE, note)


def load_signer(home: Path) -> Signer:
    """The signer of this installation; its key is made at first use. Raises SigningKeyError."""
    path = home / KEY_FILE
    if not path.exists():
        _create(path)
    if path.stat().st_mode & 0o077:
        raise SigningKeyError(f"Others can read the signing key {path}. Set its mode to 0600.")
    name, seed = _parse(path)
    return Signer(home, name, Ed25519PrivateKey.from_private_bytes(seed))


def _create(path: Path) -> None:
    """Writes a whole file and then gives it its name; whoever comes second keeps the first one's."""
    private = Ed25519PrivateKey.generate()
    public, seed = private.public_key().public_bytes_raw(), private.private_bytes_raw()
    name = f"countersign-{hashlib.sha256(public).hexdigest()[:8]}"
    key = VerifierKey(name, public)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = _write(path, f"PRIVATE+KEY+{name}+{key.id.hex()}+{base64.b64encode(ED25519 + seed).decode()}\n")
    try:
        with suppress(FileExistsError):
            path.hardlink_to(new)
    finally:
        new.unlink()


def _parse(path: Path) -> tuple[str, bytes]:
    parts = path.read_text(encoding="ascii").strip().split("+", 4)
    try:
        decoded = base64.b64decode(parts[-1], validate=True)
    except binascii.Error:
        decoded = b""
    if len(parts) != 5 or parts[:2] != ["PRIVATE", "KEY"] or len(decoded) != 33 or decoded[:1] != ED25519:
        raise SigningKeyError(
            f"{path} is no signing key. Restore it from a backup; a new key starts a new log."
        )
    return parts[2], decoded[1:]


def _replace(path: Path, text: str) -> None:
    _write(path, text).replace(path)


def _write(path: Path, text: str) -> Path:
    """A new file beside `path` that nobody else can read, on the disk for good."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    return new
