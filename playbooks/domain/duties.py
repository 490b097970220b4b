"""The duty rules: who may not decide a request, and the sentence that says why.

Each rule is a pure function of the recorded facts; `denials` evaluates all of them in the fixed order of the
design (approvals.md) and reports all that apply. The facts are stored with each decision and each refusal, so
that anybody can replay the verdict. Standard library only: this module is part of the offline verifier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from playbooks.domain.duty_facts import CONSENTS, Facts
from playbooks.domain.seats import Entitlement, Seat, fitting, match, wanted

STRENGTH = {"": 0, "fresh": 1, "bound": 2}
TAKES = {
    "fresh": "This takes a proof of your second factor within the last five minutes. Give it and decide again.",
    "bound": "This cannot be taken back, so it takes a proof of your second factor over this very decision.",
}


@dataclass(frozen=True, slots=True)
class Denial:
    """A refusal as data: the rule's name and the sentence for the person who reads it."""

    rule: str
    sentence: str


def denials(facts: Facts) -> tuple[Denial, ...]:
    """Every rule that forbids this decision, in the order of the design; empty when it is allowed.

    With the profile "solo" there is nobody else: what it confirms is recorded as confirmed, not as approved.
    """
    rules = [rule for rule in RULES if facts.profile != "solo" or rule not in NEED_SOMEBODY_ELSE]
    return tuple(Denial(rule.__name__, sentence) for rule in rules if (sentence := rule(facts)) is not None)


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


def requested_through(facts: Facts) -> str | None:
    if facts.decider.id not in facts.through:
        return None
    return (
        "This run began through you (your token, your schedule, or a version that you published), so somebody "
        "else has to decide it."
    )


def own_playbook(facts: Facts) -> str | None:
    if facts.decider.id not in facts.authors:
        return None
    return "You wrote this version of the playbook, so somebody else has to decide what it does."


def own_policy(facts: Facts) -> str | None:
    changed = facts.rule_makers.get(facts.decider.id)
    if changed is None:
        return None
    return f"You changed {changed} in the last day, and this is decided by it, so somebody else has to."


def own_grant(facts: Facts) -> str | None:
    """Holds a role that fits, and holds it by somebody's gift who has a hand in this."""
    held = Entitlement(facts.decider.roles, facts.entitlement.people)
    if fitting(facts.seats, facts.entitlement) or not fitting(facts.seats, held):
        return None
    return (
        "The right by which you would decide was given to you in the last day by yourself, or by somebody who has "
        "a hand in this."
    )


def same_person_other_account(facts: Facts) -> str | None:
    mine = facts.decider.accounts & {*facts.influential, *facts.deciders}
    if not mine:
        return None
    return (
        "Another account of yours has a hand in this or has decided it already; all your accounts count as one "
        "person."
    )


def delegate_of_requester(facts: Facts) -> str | None:
    for person, name in facts.decider.stands_in_for.items():
        if person in facts.influential:
            return f"You stand in for {name}, who has a hand in this, so you cannot decide it either."
    for person, name in facts.decider.stood_in_for.items():
        if person in facts.influential:
            return (
                f"Until a day ago you stood in for {name}, who has a hand in this, so you cannot decide it."
            )
    return None


def conflict_of_interest(facts: Facts) -> str | None:
    named = sorted(facts.named & facts.decider.known_as)
    return f"This is about you ({named[0]}), so somebody else has to decide it." if named else None


def history(facts: Facts) -> str | None:
    duties = sorted(facts.decider.history & facts.incompatible)
    if not duties:
        return None
    return f"In this case you have already {duties[0]}, which does not go together with deciding."


def outside_team(facts: Facts) -> str | None:
    if not facts.team or facts.team in facts.decider.teams:
        return None
    return f"This is a matter of the team {facts.team_name}, to which you do not belong."


def not_in_seat(facts: Facts) -> str | None:
    held = Entitlement(facts.decider.roles, facts.entitlement.people)
    if fitting(facts.seats, held):
        return None
    without = "which you do not hold" if all(_is_by_role(seat) for seat in facts.seats) else "and you are not"
    if facts.decider.is_superuser:
        return f"Being a superuser gives no seat here: this needs {wanted(facts.seats)}, {without}."
    return f"This needs {wanted(facts.seats)}, {without}."


def _is_by_role(seat: Seat) -> bool:
    return all(each.people is None for each in (seat, *seat.also))


def already_decided(facts: Facts) -> str | None:
    if facts.decider.id in facts.deciders:
        return "You have already decided this request; each person decides once."
    for person, name in facts.decider.stands_in_for.items():
        if person in facts.deciders:
            return f"You stand in for {name}, who has decided this request already."
    return None


def seat_taken(facts: Facts) -> str | None:
    """Somebody who fits a seat, but all that they fit are filled. A denial needs no free seat."""
    if facts.verdict not in CONSENTS or facts.decider.id in facts.deciders:
        return None
    mine = fitting(facts.seats, facts.entitlement)
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


def not_stepped_up(facts: Facts) -> str | None:
    """A denial takes no proof: whoever stops something must not be kept from it."""
    if facts.verdict not in CONSENTS or STRENGTH[facts.decider.step_up] >= STRENGTH[facts.step_up]:
        return None
    return TAKES[facts.step_up]


def seated(facts: Facts, *, with_decider: bool) -> dict[int, str]:
    """Seat index -> person for the approvals so far, and with the decider's own where asked."""
    held: Mapping[str, Entitlement] = facts.approvals
    if with_decider:
        held = {**held, facts.decider.id: facts.entitlement}
    return match({person: fitting(facts.seats, each) for person, each in held.items()})


def is_quorum(facts: Facts) -> bool:
    """Whether this approval fills the last seat."""
    return len(seated(facts, with_decider=True)) == len(facts.seats)


def is_denied(facts: Facts) -> bool:
    """Whether this denial is the one that ends it."""
    return len(facts.denied | {facts.decider.id}) >= facts.denials_to_end


Rule = Callable[[Facts], str | None]

RULES: tuple[Rule, ...] = (
    token_not_person,
    deactivated,
    own_request,
    requested_through,
    own_playbook,
    own_policy,
    own_grant,
    same_person_other_account,
    delegate_of_requester,
    conflict_of_interest,
    history,
    outside_team,
    not_in_seat,
    already_decided,
    seat_taken,
    closed,
    stale_digest,
    not_stepped_up,
)
NEED_SOMEBODY_ELSE: frozenset[Rule] = frozenset(
    {
        own_request,
        requested_through,
        own_playbook,
        own_policy,
        own_grant,
        same_person_other_account,
        delegate_of_requester,
        conflict_of_interest,
        history,
    }
)
