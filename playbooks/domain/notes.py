"""Signed notes, verifier keys and checkpoints, as C2SP specifies them (signed-note, tlog-checkpoint).

A note is text, an empty line, and signature lines. A checkpoint is a note that says origin, size and root
of a tree. Standard library only, and the faster `cryptography` where it is installed: part of the offline
verifier.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from playbooks.domain.ed25519 import is_valid_signature, point
from playbooks.domain.tree import HASH_SIZE

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    Ed25519PublicKey = None  # type: ignore[assignment,misc]

ED25519 = b"\x01"
MAX_NOTE = 64 * 1024
SIGNATURE_LINE = re.compile(r"— (?P<name>[^\s+]+) (?P<signature>[A-Za-z0-9+/=]+)")


class NoteError(ValueError):
    """A key, note or checkpoint that cannot be accepted; the text is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name it signs under. `public` are the 32 bytes of RFC 8032."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """4 bytes that tell keys of one name apart."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"

    def accepts(self, message: bytes, signature: bytes) -> bool:
        if Ed25519PublicKey is None:
            return is_valid_signature(self.public, message, signature)
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True


def parse_verifier_key(text: str) -> VerifierKey:
    """The inverse of str(VerifierKey). Raises NoteError."""
    parts = text.strip().split("+", 2)
    if len(parts) != 3 or not parts[0] or re.search(r"\s", parts[0]):
        raise NoteError("This is no verifier key: it must read name+id+key.")
    name, identifier, encoded = parts
    decoded = _base64(encoded)
    # The curve point is decoded here, so that both implementations of verification accept the same keys.
    if decoded[:1] != ED25519 or point(decoded[1:]) is None:
        raise NoteError(f"The verifier key {name} is no Ed25519 key.")
    key = VerifierKey(name, decoded[1:])
    if key.id.hex() != identifier:
        raise NoteError(
            f"The verifier key {name} does not fit its own id {identifier[:20]}: it was mistyped."
        )
    return key


def format_note(text: str, key: VerifierKey, signature: bytes) -> str:
    """`text` ends in a newline; `signature` is over exactly its UTF-8 bytes."""
    return f"{text}\n— {key.name} {base64.b64encode(key.id + signature).decode()}\n"


def open_note(note: bytes, key: VerifierKey) -> str:
    """The text of a note that `key` has signed. Raises NoteError for every other."""
    text, signatures = _split_note(note)
    for line in signatures:
        match = SIGNATURE_LINE.fullmatch(line)
        if match is None:
            raise NoteError("The note has a malformed signature line.")
        signature = _base64(match["signature"])
        if match["name"] != key.name or signature[:4] != key.id:
            continue
        if not key.accepts(text.encode(), signature[4:]):
            raise NoteError(
                f"The signature of {key.name} is not valid: the note was changed, or another key made it."
            )
        return text
    raise NoteError(f"The note bears no signature of {key}.")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log: how many leaves and their root. `extensions` are further signed lines."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = (self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


def parse_checkpoint(text: str) -> Checkpoint:
    """Raises NoteError."""
    origin, *rest = text.split("\n")
    if len(rest) < 3 or rest[-1] or not all([origin, *rest[:-1]]):
        raise NoteError("The checkpoint does not have its lines: origin, size, root.")
    size, root, *extensions = rest[:-1]
    if not re.fullmatch(r"0|[1-9][0-9]{0,17}", size):
        raise NoteError("The size in the checkpoint is no number.")
    decoded = _base64(root)
    if len(decoded) != HASH_SIZE:
        raise NoteError("The root in the checkpoint is no SHA-256 hash.")
    return Checkpoint(origin, int(size), decoded, tuple(extensions))


def open_checkpoint(note: bytes, key: VerifierKey) -> Checkpoint:
    """The checkpoint in a note that `key` signed, about the log of that key. Raises NoteError."""
    checkpoint = parse_checkpoint(open_note(note, key))
    if checkpoint.origin != key.name:
        raise NoteError(f"The checkpoint is about the log {checkpoint.origin}, and not about {key.name}.")
    return checkpoint


def _split_note(note: bytes) -> tuple[str, list[str]]:
    if len(note) > MAX_NOTE:
        raise NoteError("The note is larger than any that this program writes.")
    try:
        whole = note.decode()
    except UnicodeDecodeError as error:
        raise NoteError("The note is not UTF-8 text.") from error
    text, separator, signatures = whole.rpartition("\n\n")
    if not separator or not signatures.endswith("\n") or re.search(r"[\x00-\x09\x0b-\x1f\x7f]", whole):
        raise NoteError("The note does not have its parts: text, an empty line, signatures.")
    return f"{text}\n", signatures[:-1].split("\n")


def _base64(text: str) -> bytes:
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("A signature, key or root is not base64.") from error
    # base64 has several spellings of the same bytes (spare bits); only one is accepted.
    if base64.b64encode(decoded).decode() != text:
        raise NoteError("A signature, key or root is not canonical base64.")
    return decoded
