"""What the policies in force ask for the calls that one request covers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from playbooks.domain.policies.asking import together
from playbooks.domain.policies.judging import Matched
from playbooks.domain.subject import Covered
from playbooks.models import Run
from playbooks.operations.change import is_governed
from playbooks.operations.policy_rules import in_force, of_covered, verdict_of


def of_calls(
    run: Run, covered: Sequence[Covered], now: datetime, *, phase: str = "do"
) -> tuple[Matched, ...]:
    """Each policy once, with the most that it asks for any of the calls."""
    rules = in_force(now) if covered and is_governed(run) else ()
    if not rules:
        return ()
    verdicts = [verdict_of(run, each, rules, now, phase=phase) for each in of_covered(covered)]
    return together(each for verdict in verdicts for each in verdict.asking)
