"""Step-up: the proof that the person at a session is still the one who signed in (approvals.md, Step-up).

A passkey signs a challenge that is made of a nonce used once, the digest of what is decided, and the verdict, so that
its answer is good for nothing else. What does not destroy needs a proof of the last five minutes; what does needs one
of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from playbooks.domain.actions import Effect
from playbooks.domain.duties import Denial

FRESH = timedelta(minutes=5)
SKEW = timedelta(seconds=60)  # by which the clocks of two machines may differ, as in the audit log
NONCE_BYTES = 32
MOST_FAILURES = 5
LOCKED_FOR = timedelta(minutes=15)
CODE_SECONDS = 30  # of a time step (RFC 6238)
UNBOUND = "0" * 64  # the digest of a proof that is about no one thing
RULE = "not_stepped_up"


class Purpose(StrEnum):
    DECISION = "decision"
    BREAK_GLASS = "break_glass"
    SECOND = "second"  # a second holder stands by a break-glass
    GRANT = "grant"
    TOKEN = "token"  # noqa: S105


class Method(StrEnum):
    PASSKEY = "passkey"
    CODE = "code"  # of an authenticator app, together with the password
    PROVIDER = "provider"  # a fresh sign-in at the identity provider


OF_ITS_OWN = frozenset({Purpose.BREAK_GLASS, Purpose.SECOND})
ACTS: Mapping[Purpose, str] = {
    Purpose.DECISION: "decide this",
    Purpose.BREAK_GLASS: "run past a gate",
    Purpose.SECOND: "stand by a break-glass",
    Purpose.GRANT: "give rights",
    Purpose.TOKEN: "issue a token",
}
HOW: Mapping[Method, str] = {
    Method.PASSKEY: "your passkey",
    Method.CODE: "your password and a code of your authenticator app",
    Method.PROVIDER: "a fresh sign-in at your identity provider",
}


@dataclass(frozen=True, slots=True)
class Need:
    """What has to be proven. With `is_own`, a proof for exactly this `digest` and `verdict` that nothing has used."""

    purpose: Purpose
    digest: str = UNBOUND
    verdict: str = ""
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class Proof:
    """Something that a person has proven. `digest` and `verdict` are those that its challenge was made of."""

    method: Method
    purpose: Purpose
    digest: str
    verdict: str
    at: datetime
    is_used: bool


@dataclass(frozen=True, slots=True)
class SignIn:
    """What an identity provider has said of a sign-in, its token verified (OpenID Connect Core, 2)."""

    provider: str
    account: str  # the provider's name for the person, `sub`
    nonce: str
    signed_in_at: datetime | None  # `auth_time`


def need_of(purpose: Purpose, digest: str = UNBOUND) -> Need:
    """What anything but a decision takes."""
    return Need(purpose, digest, is_own=purpose in OF_ITS_OWN)


def demanded(subject: Mapping[str, Any]) -> str:
    """What an approval of the subject takes, in the words of the duty rules: "bound" for what destroys, "fresh" where a
    policy asks for it, else "".
    """
    if any(item["effect"] == Effect.DESTROY for item in subject["covered"]):
        return "bound"
    return "fresh" if any(asked["step_up"] for asked in subject["policies"].values()) else ""


def need_of_decision(digest: str, verdict: str, step_up: str) -> Need:
    """`step_up` is what the decision takes, "fresh" or "bound"."""
    return Need(Purpose.DECISION, digest, verdict, is_own=step_up == "bound")


def challenge(nonce: bytes, digest: str, verdict: str) -> bytes:
    """SHA-256(nonce ‖ digest ‖ verdict). Nonce and digest have 32 bytes each, so no two inputs read alike.

    Raises ValueError for a nonce or a digest of another length.
    """
    subject = bytes.fromhex(digest)
    if len(nonce) != NONCE_BYTES or len(subject) != hashlib.sha256().digest_size:
        raise ValueError("A challenge is made of a nonce and of a SHA-256, of 32 bytes each.")
    return hashlib.sha256(nonce + subject + verdict.encode()).digest()


def is_met(need: Need, proof: Proof, now: datetime) -> bool:
    """Whether the proof is young enough and, where the need is a proof of its own, about exactly that."""
    if not is_fresh(proof.at, now):
        return False
    if not need.is_own:
        return True
    bound = (proof.purpose, proof.digest, proof.verdict) == (need.purpose, need.digest, need.verdict)
    return bound and not proof.is_used


def is_fresh(at: datetime, now: datetime) -> bool:
    """From the moment itself until just before five minutes later. Another machine's clock may be a little ahead."""
    return -SKEW <= now - at < FRESH


def is_answerable(issued_at: datetime, now: datetime) -> bool:
    """A challenge is answered within the time for which its proof would be fresh."""
    return is_fresh(issued_at, now)


def denies_sign_in(told: SignIn, *, nonce: str, issued_at: datetime, accounts: Iterable[str]) -> str | None:
    """Why what the provider says is no fresh sign-in of the person, as a sentence; None when it is.

    `accounts` are the person's own at this provider, `nonce` is that of the challenge.
    """
    if told.account not in set(accounts):
        return "You signed in at your identity provider as somebody else. Sign in there as yourself."
    if told.nonce != nonce:
        return "The answer of your identity provider belongs to another sign-in. Start again."
    if told.signed_in_at is None:
        return (
            "Your identity provider does not say when you signed in there (auth_time), so it proves nothing. "
            "Set up a passkey, or an authenticator app, under your account."
        )
    if told.signed_in_at < issued_at - SKEW:
        return "Your identity provider let you through without a new sign-in, which proves nothing."
    return None


def accepted_counter(matching: Iterable[int], last: int | None) -> int | None:
    """The time step of a code, of those that it fits: one later than any that was used before; None for no such."""
    return next((each for each in sorted(matching) if last is None or each > last), None)


def locked_until(failures: int, now: datetime) -> datetime | None:
    """Until when nothing more can be proven, after this many failures one after the other."""
    return now + LOCKED_FOR if failures >= MOST_FAILURES else None


def missing(need: Need, paths: Iterable[Method]) -> Denial:
    """Says that the proof is missing, and which ways the person has to give it, or has to set up."""
    ways = [HOW[each] for each in Method if each in set(paths)]
    act = ACTS[need.purpose]
    if not ways:
        return Denial(RULE, f"To {act}, prove again that it is you, which you have no way to do: {SET_UP}")
    which = "one proof for this alone" if need.is_own else "a proof of the last five minutes"
    return Denial(RULE, f"To {act}, prove again that it is you, with {' or '.join(ways)}: {which}.")


SET_UP = (
    "set up a passkey or an authenticator app under your account. Being signed in through an identity provider alone "
    "is no proof."
)
