"""Two teams beside the cast: blue has those who start, approve, write and publish, red has Rita, who may the same."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.utils import timezone

from playbooks.audit import reading
from playbooks.domain.verbs import Verb
from playbooks.models import Case, Principal, Team
from playbooks.operations import people, teams
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.queries.audit import view
from tests.cast import Cast
from tests.proving import proven

BLUE = ("analyst", "tier2", "netowner", "author", "publisher")


@dataclass(frozen=True, slots=True)
class Teams:
    blue: Team
    red: Team
    rita: Principal  # an analyst and tier 2 analyst of the red team


def make_teams(cast: Cast) -> Teams:
    admin = proven(cast.caller("admin"))
    blue = teams.create("blue", caller=admin, name="Blue team")
    red = teams.create("red", caller=admin, name="Red team")
    rita = make_person("rita", "analyst", "tier-2", "author", "publisher")
    for name in BLUE:
        teams.add("blue", name, caller=admin)
    teams.add("red", "rita", caller=admin)
    return Teams(blue, red, rita)


def make_person(username: str, *roles: str) -> Principal:
    return people.create(
        username, actor=SYSTEM, name=username.capitalize(), password="only-for-tests", roles=roles
    )


def move_case(case: UUID, team: str, cast: Cast) -> None:
    teams.assign("case", str(case), caller=Caller(cast.analyst), team=team)


def named_in_log(verb: Verb) -> list[dict[str, object]]:
    """The facts of all entries with this verb, the newest first."""
    return [dict(view(each).facts) for each in reading.entries(verb=verb).select_related("body")]


def case_of_nobody(title: str = "An incident") -> Case:
    return Case.objects.create(title=title, severity=50, opened_at=timezone.now())
