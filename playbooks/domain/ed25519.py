"""Ed25519 verification in plain Python (RFC 8032 section 5.1), for machines where nothing can be installed.

Strict: an encoding of a point or of S that is not the canonical one is refused. Only verification is here,
so no secret passes through and constant time does not matter. Standard library only: part of the offline
verifier.
"""

from __future__ import annotations

import hashlib

PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
CURVE = -121665 * pow(121666, -1, PRIME) % PRIME
ROOT_OF_MINUS_ONE = pow(2, (PRIME - 1) // 4, PRIME)

# Extended coordinates (X, Y, Z, T): x = X/Z, y = Y/Z, x*y = T/Z.
Point = tuple[int, int, int, int]
IDENTITY: Point = (0, 1, 1, 0)


def is_valid_signature(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes) over `message` was made with the key of `public` (32 bytes)."""
    key = point(public)
    if key is None or len(signature) != 64:
        return False
    commitment, scalar = signature[:32], int.from_bytes(signature[32:], "little")
    if scalar >= ORDER:
        return False
    challenge = int.from_bytes(hashlib.sha512(commitment + public + message).digest(), "little") % ORDER
    # R = [S]B - [k]A; comparing encodings also refuses an R that is not canonical.
    return _encode(_add(_times(scalar, BASE), _times(ORDER - challenge, key))) == commitment


def point(encoded: bytes) -> Point | None:
    """The point, or None when these are not its canonical 32 bytes (RFC 8032 section 5.1.3)."""
    if len(encoded) != 32:
        return None
    value = int.from_bytes(encoded, "little")
    sign, y = value >> 255, value & ((1 << 255) - 1)
    if y >= PRIME:
        return None
    x = _x_of(y, sign)
    return None if x is None else (x, y, 1, x * y % PRIME)


def _x_of(y: int, sign: int) -> int | None:
    numerator, denominator = (y * y - 1) % PRIME, (CURVE * y * y + 1) % PRIME
    x = (
        numerator
        * pow(denominator, 3, PRIME)
        * pow(numerator * pow(denominator, 7, PRIME), (PRIME - 5) // 8, PRIME)
    )
    if (denominator * x * x - numerator) % PRIME:
        x *= ROOT_OF_MINUS_ONE
    x %= PRIME
    if (denominator * x * x - numerator) % PRIME or (x == 0 and sign):
        return None
    return x if x & 1 == sign else PRIME - x


def _add(one: Point, other: Point) -> Point:
    """The unified addition for a = -1, which also doubles (RFC 8032 section 5.1.4)."""
    x1, y1, z1, t1 = one
    x2, y2, z2, t2 = other
    a, b = (y1 - x1) * (y2 - x2) % PRIME, (y1 + x1) * (y2 + x2) % PRIME
    c, d = 2 * t1 * t2 * CURVE % PRIME, 2 * z1 * z2 % PRIME
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME


def _times(scalar: int, base: Point) -> Point:
    total = IDENTITY
    while scalar:
        if scalar & 1:
            total = _add(total, base)
        base, scalar = _add(base, base), scalar >> 1
    return total


def _encode(value: Point) -> bytes:
    x, y, z, _ = value
    inverse = pow(z, -1, PRIME)
    x, y = x * inverse % PRIME, y * inverse % PRIME
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _base() -> Point:
    y = 4 * pow(5, -1, PRIME) % PRIME
    x = _x_of(y, 0)
    assert x is not None  # noqa: S101 - a constant of the curve
    return x, y, 1, x * y % PRIME


BASE = _base()
