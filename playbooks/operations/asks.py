"""What policies ask for in one request: put together over all that it covers, and kept when it is asked again.

A request holds, under "policies", every version that asks for something, with its digest. What it once asks it asks
until it is over, whatever becomes of the policies: the stricter of then and now counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from playbooks.domain.policies.judging import Matched
from playbooks.domain.policies.seats_asked import Wanted, joined, missing, wanted_from
from playbooks.domain.subject import Covered
from playbooks.models import Connection, Run
from playbooks.operations.change import is_governed
from playbooks.operations.policy_rules import in_force, of_covered, verdict_of

Asked = Mapping[
    str, Mapping[str, Any]
]  # what a subject holds under "policies": {name and version: what it asks}
LIMIT = "limit of"


def of_calls(
    run: Run, covered: Sequence[Covered], now: datetime, *, phase: str = "do"
) -> tuple[Matched, ...]:
    """What the policies in force ask for these calls, each policy once."""
    rules = in_force(now) if covered and is_governed(run) else ()
    if not rules:
        return ()
    verdicts = [verdict_of(run, each, rules, now, phase=phase) for each in of_covered(covered)]
    return together(each for verdict in verdicts for each in verdict.asking)


def together(asking: Iterable[Matched]) -> tuple[Matched, ...]:
    """Each policy once, with the most that it asks for any of the calls."""
    found: dict[str, Matched] = {}
    for each in asking:
        known = found.get(each.name)
        most = Counter(each.seats) | Counter(known.seats if known else ())
        found[each.name] = replace(each, seats=tuple(sorted(most.elements(), key=_order)))
    return tuple(found[name] for name in sorted(found))


def beyond_limit_of(connection: Connection) -> Matched:
    """The limit of a connection asks like a policy: somebody looks at each further target."""
    return Matched(LIMIT, 0, "", "", seats=(Wanted(connection.targets_role),))


def name_of(asking: Matched) -> str:
    return asking.slug if asking.slug == LIMIT else asking.name


def as_asked(asking: Iterable[Matched]) -> dict[str, dict[str, Any]]:
    return {name_of(each): each.as_json() for each in asking}


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
        name_of(each): each.as_json()
        for each in asking
        if missing(each.seats, seats)
        or (each.step_up and not steps_up)
        or (name_of(each) not in kept and each.slug in slugs)
    }
    return {**kept, **new}


def seats_with(own: Sequence[str], asked: Asked) -> list[str]:
    return list(joined(own, [wanted_from(each["seats"]) for each in asked.values()]))


def _order(wanted: Wanted) -> tuple[str, tuple[str, ...]]:
    return wanted.role, wanted.met_by
