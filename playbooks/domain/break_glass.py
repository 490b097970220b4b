"""Break-glass: who may run past an open gate, for how long, and who reviews it (approvals.md, abuse-cases.md 47-52).

Standard library only: this module is part of the offline verifier, which concatenates its modules. So its names are
its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from playbooks.domain.duties import Denial

MOST_MINUTES = 60
USUAL_MINUTES = 30
MOST_USES = 3
USES_WITHIN = timedelta(hours=1)
REVIEW_AFTER_CASE = timedelta(hours=24)
REVIEW_AT_MOST = timedelta(hours=72)
HOLDERS_NEEDED = 2
COOLING = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class GlassFacts:
    """All that decides whether somebody may break the glass before one gate.

    `step_up` is what they have proven: "bound" is a proof over exactly this. `second` is another person who holds the
    right and has proven as much; empty for nobody. `overdue` counts the reviews that are late, `used_lately` how often
    the holder has done this within the hour.
    """

    holder: str
    name: str
    is_active: bool
    is_person: bool
    by_token: bool
    may_break: bool
    step_up: str
    step_up_method: str
    second: str
    second_name: str
    status: str
    shown_digest: str
    current_digest: str
    reason: str
    minutes: int
    overdue: int
    used_lately: int

    def as_json(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> GlassFacts:
        """Raises KeyError where a fact is missing."""
        return cls(**{each.name: value[each.name] for each in fields(cls)})


@dataclass(frozen=True, slots=True)
class ReviewFacts:
    """All that decides whether somebody may review a break-glass.

    `accounts` are all accounts of the reviewer, their own among them. `users` are who broke the glass and who stood
    by; `influential` maps everybody else with a hand in it to what they did.
    """

    reviewer: str
    is_active: bool
    is_person: bool
    by_token: bool
    may_review: bool
    accounts: frozenset[str]
    users: frozenset[str]
    influential: Mapping[str, str]
    is_reviewed: bool

    def as_json(self) -> dict[str, Any]:
        told = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**told, "accounts": sorted(self.accounts), "users": sorted(self.users)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ReviewFacts:
        """Raises KeyError where a fact is missing."""
        told = {each.name: value[each.name] for each in fields(cls)}
        return cls(**{**told, "accounts": frozenset(told["accounts"]), "users": frozenset(told["users"])})


def glass_denials(facts: GlassFacts) -> tuple[Denial, ...]:
    """Every rule that keeps them from breaking the glass; empty when they may."""
    return tuple(Denial(rule, sentence) for rule, says in GLASS_RULES if (sentence := says(facts)))


def review_denials(facts: ReviewFacts) -> tuple[Denial, ...]:
    """Every rule that keeps them from reviewing it; empty when they may."""
    return tuple(_review_rules(facts))


def review_due_at(broken_at: datetime, case_ended_at: datetime | None) -> datetime:
    """A day after the case has ended, and three days after the glass was broken at the latest."""
    latest = broken_at + REVIEW_AT_MOST
    return latest if case_ended_at is None else min(latest, max(case_ended_at, broken_at) + REVIEW_AFTER_CASE)


def is_in_time(until: datetime, now: datetime) -> bool:
    """Whether something may still begin: the last moment of the time is no longer in it."""
    return now < until


def _glass_by_token(facts: GlassFacts) -> str | None:
    if facts.is_person and not facts.by_token:
        return None
    return "Only a signed-in person can break the glass; no token and no service account can."


def _glass_deactivated(facts: GlassFacts) -> str | None:
    return None if facts.is_active else f"The account of {facts.name} is deactivated."


def _glass_right(facts: GlassFacts) -> str | None:
    if facts.may_break:
        return None
    return (
        "You may not break the glass: that takes a role of its own, which nobody has by administering this."
    )


def _glass_closed(facts: GlassFacts) -> str | None:
    if facts.status == "open":
        return None
    return f"This request is {facts.status}, so there is no gate to run past."


def _glass_stale(facts: GlassFacts) -> str | None:
    if facts.shown_digest == facts.current_digest:
        return None
    return (
        "What would run has changed since it was shown to you. Read it again, then break the glass for what it "
        "says now."
    )


def _glass_reason(facts: GlassFacts) -> str | None:
    return (
        None if facts.reason.strip() else "Say why this cannot wait for those who would have to approve it."
    )


def _glass_time(facts: GlassFacts) -> str | None:
    if 1 <= facts.minutes <= MOST_MINUTES:
        return None
    return f"A gate is passed for 1 to {MOST_MINUTES} minutes, not for {facts.minutes}."


def _glass_second(facts: GlassFacts) -> str | None:
    if not facts.overdue or (facts.second and facts.second != facts.holder):
        return None
    late = "A review is overdue" if facts.overdue == 1 else f"{facts.overdue} reviews are overdue"
    return f"{late}, so this takes a second holder: they stand by on this page, with a proof of their own."


def _glass_flood(facts: GlassFacts) -> str | None:
    if facts.used_lately < MOST_USES:
        return None
    return f"You have broken the glass {facts.used_lately} times within the hour, which is as often as anybody may."


def _glass_step_up(facts: GlassFacts) -> str | None:
    if facts.step_up == "bound":
        return None
    return "To run past a gate takes a proof of your second factor over exactly this."


GLASS_RULES: tuple[tuple[str, Callable[[GlassFacts], str | None]], ...] = (
    ("token_not_person", _glass_by_token),
    ("deactivated", _glass_deactivated),
    ("no_permission", _glass_right),
    ("closed", _glass_closed),
    ("stale_digest", _glass_stale),
    ("no_reason", _glass_reason),
    ("too_long", _glass_time),
    ("second_holder", _glass_second),
    ("too_often", _glass_flood),
    ("not_stepped_up", _glass_step_up),
)


def _review_rules(facts: ReviewFacts) -> Iterator[Denial]:
    if facts.by_token or not facts.is_person:
        yield Denial("token_not_person", "Only a signed-in person can review a break-glass.")
    if not facts.is_active:
        yield Denial("deactivated", "Your account is deactivated.")
    if not facts.may_review:
        yield Denial("no_permission", "You may not review what was passed by break-glass.")
    if facts.users & facts.accounts:
        yield Denial(
            "reviewer_is_user", "You broke the glass or stood by, so somebody else has to review it."
        )
    for person in sorted(facts.accounts & set(facts.influential)):
        sentence = f"You {facts.influential[person]}, so somebody without a hand in it has to review it."
        yield Denial("has_influence", sentence)
    if facts.is_reviewed:
        yield Denial("already_reviewed", "This was reviewed already; a review is never changed.")
