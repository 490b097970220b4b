"""What the policies in force say about one action: a pure function of the facts.

Whatever cannot be told is a no: a condition that cannot be evaluated forbids the action, naming the policy, and a
permit that cannot be evaluated permits nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from playbooks.domain.expressions import ExpressionError, evaluate, is_true, paths
from playbooks.domain.policies.document import Permit, Policy, Provisional, name_for, wanted_of
from playbooks.domain.policies.facts import NAMES, Facts
from playbooks.domain.policies.seats_asked import Wanted

UNKNOWN = "The policy {policy} cannot be evaluated, so nothing goes past it: {error}"
UNTOLD = "The condition of the policy cannot be evaluated, so this is told to be sure: {error}"
FORBIDDEN = "The policy {policy} forbids this: {sentence}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A version of a policy that is in force. One that `lingers` was replaced or retired less than a day ago: what it
    asks is still asked, what it permits is not.
    """

    slug: str
    number: int
    digest: str
    policy: Policy
    lingers: bool = False

    @property
    def name(self) -> str:
        return f"{self.slug} {self.number}"


@dataclass(frozen=True, slots=True)
class Matched:
    """A rule whose condition holds, and what follows. `forbids` is a sentence, empty for none; `is_error` says that
    its condition could not be evaluated, so that it forbids, or, where it only tells, tells to be sure. `tells` are
    those who are told, by the names of seats, and `says` what, empty for nothing in particular. `afterwards` are the
    seats that may countersign what runs provisionally.
    """

    slug: str
    number: int
    digest: str
    title: str
    seats: tuple[Wanted, ...] = ()
    step_up: bool = False
    forbids: str = ""
    is_error: bool = False
    permit: Permit | None = None
    provisional: Provisional | None = None
    afterwards: tuple[Wanted, ...] = ()
    tells: tuple[str, ...] = ()
    says: str = ""

    @property
    def name(self) -> str:
        return f"{self.slug} {self.number}"

    @property
    def asks(self) -> bool:
        return bool(self.seats) or self.step_up

    @property
    def beforehand(self) -> Matched:
        """A provisional whose seats are asked, before the action or after it, like those of any policy."""
        return replace(self, seats=self.afterwards)

    def as_json(self) -> dict[str, Any]:
        """As a request binds it and an entry records it."""
        return {
            "digest": self.digest,
            "seats": [each.as_json() for each in self.seats],
            "step_up": self.step_up,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """Every rule that matched, by slug and number: the order in which rules are given makes no difference."""

    matched: tuple[Matched, ...] = ()

    @property
    def forbidden(self) -> str:
        """The sentence of the first that forbids it, empty where none does."""
        return next((each.forbids for each in self.matched if each.forbids), "")

    @property
    def asking(self) -> tuple[Matched, ...]:
        return tuple(each for each in self.matched if each.asks)

    @property
    def telling(self) -> tuple[Matched, ...]:
        return tuple(each for each in self.matched if each.tells)

    @property
    def permits(self) -> tuple[Matched, ...]:
        return tuple(each for each in self.matched if each.permit is not None)

    @property
    def provisionals(self) -> tuple[Matched, ...]:
        return tuple(each for each in self.matched if each.provisional is not None)


def judge(facts: Facts, rules: Iterable[Rule]) -> Verdict:
    found = (_matched(facts, rule) for rule in rules)
    matched = [each for each in found if each is not None]
    return Verdict(tuple(sorted(matched, key=lambda each: (each.slug, each.number))))


def condition_values(facts: Facts, rule: Rule) -> dict[str, object]:
    """What each name in the condition stood for, to explain a verdict: {"connection.production": true}."""
    scope = facts.scope(rule.policy.calendar.at(facts.at))
    values: dict[str, object] = {}
    for path in sorted(paths(rule.policy.when, names=NAMES)):
        name = ".".join(path)
        try:
            values[name] = evaluate(name, scope, names=NAMES)
        except ExpressionError as error:
            values[name] = str(error)
    return values


def _matched(facts: Facts, rule: Rule) -> Matched | None:
    policy = rule.policy
    if facts.phase == "undo" and not policy.names_phase:
        return None
    matched = Matched(rule.slug, rule.number, rule.digest, policy.title)
    scope = facts.scope(policy.calendar.at(facts.at))
    try:
        holds = is_true(policy.when, scope, f"The condition of {rule.slug}", names=NAMES)
    except ExpressionError as error:
        if policy.is_leave or rule.lingers:
            return None  # a rule that could never be evaluated is mended at once
        if policy.only_tells:
            return replace(_telling(matched, policy, facts, UNTOLD.format(error=error)), is_error=True)
        sentence = UNKNOWN.format(policy=policy.title, error=error)
        return replace(matched, forbids=sentence, is_error=True)
    return _with_effects(matched, rule, facts) if holds else None


def _with_effects(matched: Matched, rule: Rule, facts: Facts) -> Matched | None:
    policy = rule.policy
    if policy.is_leave:
        return None if rule.lingers else _leave(matched, policy, facts)
    seats = wanted_of(policy.require.seats, facts.connection) if policy.require else ()
    found = replace(
        _telling(matched, policy, facts),
        seats=(*seats, *_beyond(seats, policy, facts)),
        step_up=policy.step_up,
        forbids=FORBIDDEN.format(policy=policy.title, sentence=policy.forbid) if policy.forbid else "",
    )
    return found if found.asks or found.forbids or found.tells else None


def _leave(matched: Matched, policy: Policy, facts: Facts) -> Matched | None:
    """For the actions that it names only; nothing is taken back provisionally."""
    if policy.permit is not None:
        return replace(matched, permit=policy.permit) if facts.action in policy.permit.actions else None
    provisional = policy.provisional
    if provisional is None or facts.action not in provisional.actions or facts.phase == "undo":
        return None
    return replace(
        matched, provisional=provisional, afterwards=wanted_of(provisional.seats, facts.connection)
    )


def _telling(matched: Matched, policy: Policy, facts: Facts, sentence: str = "") -> Matched:
    if policy.notify is None:
        return matched
    people = dict.fromkeys(name_for(each, facts.connection) for each in policy.notify.to)
    said = " ".join(each for each in (policy.notify.say, sentence) if each)
    return replace(matched, tells=tuple(people), says=said)


def _beyond(seats: Sequence[Wanted], policy: Policy, facts: Facts) -> tuple[Wanted, ...]:
    """What the limit asks when it is reached, beyond what is required anyway."""
    if policy.limit is None or facts.count[policy.limit.within] < policy.limit.targets:
        return ()
    wanted = wanted_of(policy.limit.seats, facts.connection)
    return tuple((Counter(wanted) - Counter(seats)).elements())
