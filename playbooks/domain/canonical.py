"""Canonical JSON (RFC 8785) and the digests over it."""

from __future__ import annotations

import hashlib

import rfc8785


def canonical(value: object) -> bytes:
    """`value` as RFC 8785 bytes. Raises rfc8785.CanonicalizationError for what JSON cannot carry exactly."""
    encoded: bytes = rfc8785.dumps(value)  # type: ignore[arg-type]
    return encoded


def digest(value: object) -> str:
    """SHA-256 over the canonical form, 64 lower-case hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()
