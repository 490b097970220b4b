"""The duty rules: who may not decide a request, and the sentence that says why.

Each rule is a pure function of the recorded facts; `denials` evaluates all of them in the fixed order of the
design (approvals.md) and reports all that apply. The facts are stored with each decision and each refusal, so
that anybody can replay the verdict. Standard library only: this module is part of the offline verifier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from playbooks.domain.seats import Seat, fitting, match


@dataclass(frozen=True, slots=True)
class Denial:
    """A refusal as data: the rule's name and the sentence for the person who reads it."""

    rule: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Decider:
    id: str
    name: str
    is_active: bool
    is_person: bool  # False for a service account
    by_token: bool  # an API token, not a person's own session
    is_superuser: bool
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the rules look at.

    `requesters` and `authors` map a person's id to their name. `approvals` maps each person who approved so
    far, in order, to the roles that they held. `deciders` are all who decided, whatever the verdict.
    """

    decider: Decider
    verdict: str  # "approve" or "deny"
    status: str
    seats: tuple[Seat, ...]
    requesters: Mapping[str, str]
    authors: Mapping[str, str]
    approvals: Mapping[str, frozenset[str]]
    deciders: frozenset[str]
    shown_digest: str
    current_digest: str

    def as_json(self) -> dict[str, Any]:
        """The facts as plain JSON values; `Facts.from_json` is the way back."""
        decider = self.decider
        return {
            "decider": {
                "id": decider.id,
                "name": decider.name,
                "is_active": decider.is_active,
                "is_person": decider.is_person,
                "by_token": decider.by_token,
                "is_superuser": decider.is_superuser,
                "roles": sorted(decider.roles),
            },
            "verdict": self.verdict,
            "status": self.status,
            "seats": [{"role": seat.role} for seat in self.seats],
            "requesters": dict(self.requesters),
            "authors": dict(self.authors),
            "approvals": [{"person": p, "roles": sorted(roles)} for p, roles in self.approvals.items()],
            "deciders": sorted(self.deciders),
            "shown_digest": self.shown_digest,
            "current_digest": self.current_digest,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Facts:
        """Raises KeyError or TypeError where a fact is missing or malformed."""
        decider = value["decider"]
        return cls(
            decider=Decider(**{**decider, "roles": frozenset(decider["roles"])}),
            verdict=value["verdict"],
            status=value["status"],
            seats=tuple(Seat(seat["role"]) for seat in value["seats"]),
            requesters=dict(value["requesters"]),
            authors=dict(value["authors"]),
            approvals={each["person"]: frozenset(each["roles"]) for each in value["approvals"]},
            deciders=frozenset(value["deciders"]),
            shown_digest=value["shown_digest"],
            current_digest=value["current_digest"],
        )


def denials(facts: Facts) -> tuple[Denial, ...]:
    """Every rule that forbids this decision, in the order of the design; empty when it is allowed."""
    return tuple(Denial(rule.__name__, sentence) for rule in RULES if (sentence := rule(facts)) is not None)


def token_not_person(facts: Facts) -> str | None:
    decider = facts.decider
    if decider.is_person and not decider.by_token:
        return None
    return "Only a signed-in person can decide an approval; no token and no service account can."


def deactivated(facts: Facts) -> str | None:
    return None if facts.decider.is_active else f"The account of {facts.decider.name} is deactivated."


def own_request(facts: Facts) -> str | None:
    if facts.decider.id not in facts.requesters:
        return None
    return "You asked for this run, so somebody else has to decide it."


def own_playbook(facts: Facts) -> str | None:
    if facts.decider.id not in facts.authors:
        return None
    return "You wrote this version of the playbook, so somebody else has to decide what it does."


def not_in_seat(facts: Facts) -> str | None:
    if fitting(facts.seats, facts.decider.roles):
        return None
    wanted = " or ".join(sorted({seat.role for seat in facts.seats}))
    if facts.decider.is_superuser:
        return f"Being a superuser gives no seat here: this needs the role {wanted}, which you do not hold."
    return f"This needs the role {wanted}, which you do not hold."


def already_decided(facts: Facts) -> str | None:
    if facts.decider.id not in facts.deciders:
        return None
    return "You have already decided this request; each person decides once."


def seat_taken(facts: Facts) -> str | None:
    """Somebody who fits a seat, but all that they fit are filled. A denial needs no free seat."""
    if facts.verdict != "approve" or facts.decider.id in facts.deciders:
        return None
    mine = fitting(facts.seats, facts.decider.roles)
    if not mine or len(seated(facts, with_decider=True)) > len(seated(facts, with_decider=False)):
        return None
    return "Every seat that your roles fit is already filled by somebody else."


def closed(facts: Facts) -> str | None:
    if facts.status == "open":
        return None
    return f"This request is {facts.status} and takes no more decisions."


def stale_digest(facts: Facts) -> str | None:
    if facts.shown_digest == facts.current_digest:
        return None
    return (
        "What would run has changed since it was shown to you. Read it again and decide on what it says now."
    )


def seated(facts: Facts, *, with_decider: bool) -> dict[int, str]:
    """Seat index -> person for the approvals so far, and with the decider's own where asked."""
    fits = {person: fitting(facts.seats, roles) for person, roles in facts.approvals.items()}
    if with_decider:
        fits[facts.decider.id] = fitting(facts.seats, facts.decider.roles)
    return match(fits)


def is_quorum(facts: Facts) -> bool:
    """Whether this approval fills the last seat."""
    return len(seated(facts, with_decider=True)) == len(facts.seats)


RULES: tuple[Callable[[Facts], str | None], ...] = (
    token_not_person,
    deactivated,
    own_request,
    own_playbook,
    not_in_seat,
    already_decided,
    seat_taken,
    closed,
    stale_digest,
)
