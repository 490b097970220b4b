"""Canonical JSON (RFC 8785) and the digests over it.

Nearly every value is plain, and then the fast encoder writes the same bytes: it sorts names by code points, which is
the order of UTF-16 up to U+FFFF, and it escapes as RFC 8785 does. Floats that it may write differently, and everything
unusual, go to the reference implementation.
"""

from __future__ import annotations

import hashlib
import re

import orjson
import rfc8785

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER | orjson.OPT_PASSTHROUGH_SUBCLASS
# The first byte of a character beyond U+FFFF, in UTF-8: in a name it may sort otherwise.
_BEYOND = re.compile(rb"[\xf0-\xf4]")
_PLAIN = frozenset({str, int, bool, type(None)})


def canonical(value: object) -> bytes:
    """`value` as RFC 8785 bytes. Raises rfc8785.CanonicalizationError for what JSON cannot carry exactly."""
    return canonical_plain(value) if _is_plain(value) else _reference(value)


def canonical_plain(value: object) -> bytes:
    """The same for a value that is known to be made of dict, list, str, int, bool and None alone."""
    try:
        encoded = orjson.dumps(value, option=_OPTIONS)
    except orjson.JSONEncodeError:
        return _reference(value)
    return _reference(value) if _BEYOND.search(encoded) else encoded


def digest(value: object) -> str:
    """SHA-256 over the canonical form, 64 lower-case hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def is_exact(value: object) -> bool:
    """Whether the canonical form can carry the value: no number beyond 2**53, no half of a character."""
    try:
        canonical(value)
    except rfc8785.CanonicalizationError:
        return False
    return True


def _is_plain_float(value: float) -> bool:
    """Whether everybody writes it alike: neither whole, nor so small or large as to get an exponent."""
    return 1e-4 <= abs(value) < 1e16 and not value.is_integer()


def _reference(value: object) -> bytes:
    encoded: bytes = rfc8785.dumps(value)  # type: ignore[arg-type]
    return encoded


def _is_plain(value: object) -> bool:
    kind = type(value)
    if kind in _PLAIN:
        return True
    if kind is float:
        return _is_plain_float(value)  # type: ignore[arg-type]
    if kind is dict:
        return all(_is_plain(each) for each in value.values())  # type: ignore[attr-defined]
    return kind is list and all(_is_plain(each) for each in value)  # type: ignore[attr-defined]
