"""How an operation says no: typed, with a sentence for the person who reads it."""

from __future__ import annotations

from collections.abc import Sequence

from playbooks.domain.duties import Denial
from playbooks.domain.problems import Problem

# Refusals because of what the object is now, not because of who asks.
CONFLICTS = frozenset(
    {
        "already_decided",
        "already_reviewed",
        "seat_taken",
        "closed",
        "stale_digest",
        "stale_plan",
        "run_not_ended",
        "run_not_cancellable",
        "run_not_pausable",
        "run_not_paused",
        "run_not_failed",
        "run_rolled_back",
        "nothing_to_roll_back",
        "not_unknown",
        "held_already",
        "not_held",
        "profile_unchanged",
        "profile_pending",
        "profile_not_pending",
        "alert_not_new",
        "case_closed",
        "version_status",
        "listed_already",
        "not_listed",
        "team_ended",
        "role_ended",
        "role_built_in",
        "token_revoked",
        "not_the_first",
        "nothing_to_withdraw",
        "not_denied",
        "denied_twice",
        "denied_before",
        "chained_delegation",
        "delegated_already",
        "delegation_over",
        "shift_over",
    }
)


class Refused(Exception):
    """A rule forbids it. `denials` are all the rules that do, the first counts.

    `is_recorded` says that the operation has written the refusal into the audit log itself.
    """

    is_recorded = False

    def __init__(self, *denials: Denial) -> None:
        self.denials = denials
        super().__init__(denials[0].sentence)

    @property
    def rule(self) -> str:
        return self.denials[0].rule


class Invalid(Exception):
    """The input cannot be accepted. `errors` are (JSON pointer, sentence)."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(sentence for _, sentence in errors))


class Unsound(Exception):
    """The text is no playbook (or policy: `what`), or one that cannot be used. `problems` has each with its line and
    column.
    """

    def __init__(self, problems: tuple[Problem, ...], what: str = "playbook") -> None:
        self.problems = problems
        count = f"{len(problems)} problems" if len(problems) != 1 else "a problem"
        super().__init__(f"The {what} has {count}.")


class Missing(Exception):
    """There is no such object, or the caller may not know of it."""


class Hidden(Refused, Missing):
    """There is such an object, and the caller may not know of it: they are told that there is none, and the log that
    they tried.
    """

    def __init__(self, sentence: str, *, rule: str = "outside_team") -> None:
        super().__init__(Denial(rule, sentence))


class LostRace(Exception):
    """Somebody else changed the row first; the sentence says what it is now."""


def no_permission(what: str) -> Refused:
    return Refused(Denial("no_permission", f"You may not {what}. Ask an administrator for a role that may."))
