"""What policies ask for in one request: put together over all that it covers, and kept when it is asked again.

A request holds, under "policies", every version that asks for something, with its digest. What it once asks it asks
until it is over, whatever becomes of the policies: the stricter of then and now counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from playbooks.domain.policies.judging import Matched
from playbooks.domain.policies.seats_asked import Wanted, joined, missing, wanted_from

Asked = Mapping[
    str, Mapping[str, Any]
]  # what a subject holds under "policies": {name and version: what it asks}
LIMIT = "limit of"
OWN_QUESTION = "Let {step} go beyond the limit of its connection?"
POLICY_QUESTION = "Let {step} go on? It is asked for by {policies}."
STAND_QUESTION = "Let stand what {step} did? It ran before anybody was asked: {policies}."
BEYOND = "Its connection has changed as many targets as it may in a while, so this one has to be approved."
ASKED_BY = "Nothing above it has approved this, so it has to be approved itself: {policies} asks for it."


def together(asking: Iterable[Matched]) -> tuple[Matched, ...]:
    """Each policy once, with the most that it asks for any of the calls."""
    found: dict[str, Matched] = {}
    for each in asking:
        known = found.get(each.name)
        most = Counter(each.seats) | Counter(known.seats if known else ())
        found[each.name] = replace(each, seats=tuple(sorted(most.elements(), key=_order)))
    return tuple(found[name] for name in sorted(found))


def beyond_limit(role: str) -> Matched:
    """The limit of a connection asks like a policy: somebody of the role looks at each further target."""
    return Matched(LIMIT, 0, "", "", seats=(Wanted(role),))


def as_asked(asking: Iterable[Matched]) -> dict[str, dict[str, Any]]:
    return {_name_of(each): each.as_json() for each in asking}


def as_told(telling: Iterable[Matched]) -> dict[str, dict[str, Any]]:
    """As the entry of a claim records of what people are told: who was meant, by the names of seats."""
    return {each.name: {"digest": each.digest, "to": list(each.tells)} for each in telling}


def kept_and_new(
    kept: Asked, seats: Sequence[str], asking: Iterable[Matched]
) -> dict[str, Mapping[str, Any]]:
    """What a request asks that asked `kept`, with these seats, before.

    A policy that comes to match later and asks for nothing that is missing changes nothing. One that the request knows
    in another version, or that asks for more, is taken up.
    """
    slugs = {name.rpartition(" ")[0] for name in kept}
    steps_up = any(each["step_up"] for each in kept.values())
    new = {
        _name_of(each): each.as_json()
        for each in asking
        if missing(each.seats, seats)
        or (each.step_up and not steps_up)
        or (_name_of(each) not in kept and each.slug in slugs)
    }
    return {**kept, **new}


def seats_with(own: Sequence[str], asked: Asked) -> list[str]:
    return list(joined(own, [wanted_from(each["seats"]) for each in asked.values()]))


def own_question(step: str, asked: Asked) -> str:
    """What people are asked about a step that no gate covers."""
    names = policies_in(asked)
    return POLICY_QUESTION.format(step=step, policies=names) if names else OWN_QUESTION.format(step=step)


def stand_question(step: str, asked: Asked) -> str:
    """What people are asked about a step that has run provisionally."""
    return STAND_QUESTION.format(step=step, policies=policies_in(asked))


def why_asked(asked: Asked) -> str:
    """Why a step waits for an approval of its own."""
    names = policies_in(asked)
    return ASKED_BY.format(policies=names) if names else BEYOND


def policies_in(asked: Asked) -> str:
    return " and ".join(name for name in asked if name != LIMIT)


def _name_of(asking: Matched) -> str:
    return asking.slug if asking.slug == LIMIT else asking.name


def _order(wanted: Wanted) -> tuple[str, tuple[str, ...]]:
    return wanted.role, wanted.met_by
