"""Whether what ran had the seats that policies asked for, by what the entries record of both.

Standard library only: this module is part of the offline verifier.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from playbooks.domain.policies.seats_asked import missing, wanted_from


def unmet_policy(asked: Mapping[str, Any], seats: Iterable[Sequence[str]]) -> str:
    """The name of the first policy that none of the requests, told by their seats, meets; empty where all are met.

    Raises KeyError or TypeError where what is recorded of a policy is malformed.
    """
    given = list(seats)
    for name, each in asked.items():
        wanted = wanted_from(each["seats"])
        if wanted and all(missing(wanted, roles) for roles in given):
            return name
    return ""
