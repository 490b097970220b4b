"""Ed25519 in plain Python: the vectors of RFC 8032, and the same verdict as the library."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from playbooks.domain.ed25519 import ORDER, PRIME, is_valid_signature, point

# RFC 8032 section 7.1, tests 1 to 3: public key, message, signature.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
            "387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
            "4a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]


@pytest.mark.parametrize("vector", VECTORS)
def test_the_vectors_of_the_rfc_verify(vector: tuple[str, str, str]) -> None:
    public, message, signature = map(bytes.fromhex, vector)
    assert is_valid_signature(public, message, signature)
    assert not is_valid_signature(public, message + b"x", signature)


@settings(max_examples=40, deadline=None)
@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=80), bit=st.integers(0, 511))
def test_both_implementations_come_to_the_same_verdict(seed: bytes, message: bytes, bit: int) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = private.public_key().public_bytes_raw(), private.sign(message)
    assert is_valid_signature(public, message, signature)
    changed = bytearray(signature)
    changed[bit // 8] ^= 1 << bit % 8
    assert not is_valid_signature(public, message, bytes(changed))
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(public).verify(bytes(changed), message)


def test_a_second_spelling_of_the_same_signature_is_refused() -> None:
    public, message, signature = map(bytes.fromhex, VECTORS[0])
    scalar = int.from_bytes(signature[32:], "little") + ORDER
    assert not is_valid_signature(public, message, signature[:32] + scalar.to_bytes(32, "little"))


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\0" * 31,
        PRIME.to_bytes(32, "little"),  # y = 0, written as p
        (PRIME + 1).to_bytes(32, "little"),
        (2).to_bytes(32, "little"),  # no point of the curve has this y
        (1 | 1 << 255).to_bytes(32, "little"),  # x = 0 with a sign
    ],
)
def test_what_is_no_canonical_point_is_no_key(encoded: bytes) -> None:
    assert point(encoded) is None
    assert not is_valid_signature(encoded, b"", b"\0" * 64)


@pytest.mark.parametrize("length", [0, 63, 65])
def test_a_signature_has_64_bytes(length: int) -> None:
    assert not is_valid_signature(bytes.fromhex(VECTORS[0][0]), b"", b"\0" * length)
