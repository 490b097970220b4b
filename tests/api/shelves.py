"""Three shelves of the same things, for the matrix of rights: one's own team's, another's, and a restricted case's.

What stands on the other two shelves bears a word by which it is known wherever it shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from playbooks import executor
from playbooks.audit import reading
from playbooks.domain.notices import Medium
from playbooks.domain.policies.never_touch import TargetKind
from playbooks.domain.profiles import Profile
from playbooks.models import (
    Alert,
    ApprovalRequest,
    Delegation,
    Hold,
    HoldScope,
    NeverTouch,
    NoticeChannel,
    Playbook,
    Principal,
    ProfileChange,
    Question,
    Rota,
    Run,
    Shift,
    Team,
    TeamMembership,
)
from playbooks.operations import (
    confidences,
    connections,
    grants,
    never_touch,
    people,
    policies,
    profiles,
    roles,
    teams,
)
from playbooks.operations.caller import SYSTEM
from playbooks.operations.grants import To
from tests.cast import BLOCK, Cast, connect, publish, start
from tests.proving import proven
from tests.teams import make_person
from tests.web.conftest import post_alert

OWN, OTHER, RESTRICTED = "own", "othersecret", "restrictedsecret"
SHELVES = (OWN, OTHER, RESTRICTED)
TEAMS = {OWN: "blue", OTHER: "red"}
POLICY = """\
policy: edge
title: The edge
when: action.connector == "nftables"
require: {seats: [{role: tier-2}]}
"""
PERMIT = """\
policy: routine
title: Routine blocks
when: target != ""
permit: {{until: {until!r}, actions: [nftables.block_address], times: 5, targets: 5}}
"""


@dataclass(frozen=True, slots=True)
class Shelf:
    """What an address can name, by the kind of object: ids, slugs and names."""

    name: str
    keys: Mapping[str, str]

    @property
    def tells(self) -> frozenset[str]:
        """What shows on no page, in no list and in no count's sentence for whoever may not know of it."""
        ids = {self.keys[each] for each in ("case", "case_of_alert", "alert", "run", "request", "question")}
        return frozenset({self.name, *ids})


def stand(cast: Cast) -> dict[str, Shelf]:
    connect(cast)
    admin = proven(cast.caller("admin"))
    for slug in TEAMS.values():
        teams.create(slug, caller=admin, name=slug)
    for username in ("analyst", "tier2"):
        teams.add(TEAMS[OWN], username, caller=admin)
    roles.create("helper", caller=admin, title="Helper", permissions=["see_run"])
    _everybodys(cast)
    return {name: _shelf(name, cast) for name in SHELVES}


def join(person: Principal) -> None:
    """Into the team whose own shelf is."""
    team = Team.objects.get(slug=TEAMS[OWN])
    TeamMembership.objects.create(team=team, principal=person, granted_at=timezone.now())


def _everybodys(cast: Cast) -> None:
    """What is of no team, and is never restricted: policies in review, and one of what each is told by or kept to."""
    author = cast.caller("author")
    until = (timezone.now() + timedelta(days=1)).isoformat()
    for text in (POLICY, PERMIT.format(until=until)):
        policies.submit(policies.draft(text, caller=author).policy.slug, 1, caller=author)
    never_touch.add(TargetKind.ADDRESS, "192.0.2.53", caller=author, reason="Our resolver.")
    profiles.propose(Profile.PAIR, caller=cast.caller("tier2"), reason="We are two.")
    about = {"role": "tier-2", "medium": Medium.EMAIL, "mailbox": "soc@example.org"}
    NoticeChannel.objects.create(name="Mail", added_by=cast.admin, added_at=timezone.now(), **about)


def _shelf(name: str, cast: Cast) -> Shelf:
    admin, known = cast.caller("admin"), "shared" if name == RESTRICTED else name
    publish(cast, BLOCK.replace("block-attacker", f"block-{known}").replace("Block an", f"{known} an"))
    alert = post_alert(f"{name} alert", external_id=name)
    run = start(cast, f"block-{known}")
    executor.drive(run.pk, worker="test")
    connections.configure(
        f"fw-{known}", caller=admin, connector="nftables", settings={}, secrets={}, is_simulated=True
    )
    people.create_source(f"source-{known}", kind="normal", actor=SYSTEM)
    keys = _keys(name, known, run, alert)
    grants.give(
        "case", keys["case"], caller=admin, to=To(person="outsider"), permission="see_case", reason="Helps."
    )
    confidences.name_subject(run.case_id, "compliance", caller=cast.caller("analyst"), reason="Asked.")
    _put_away(name, keys, cast)
    return Shelf(name, keys)


def _keys(name: str, known: str, run: Run, alert: Alert) -> dict[str, str]:
    request = ApprovalRequest.objects.get(run=run)
    question = Question.objects.create(
        run=run,
        step=run.steps.get(key="block"),
        text=f"{name}?",
        fields={},
        role="tier-2",
        opened_at=timezone.now(),
    )
    hold = Hold.objects.create(
        scope=HoldScope.PLAYBOOK,
        playbook=Playbook.objects.get(slug=f"block-{known}"),
        reason=f"{known} reason",
        placed_by=run.requested_by,
        placed_at=timezone.now(),
    )
    now = timezone.now()
    period = {"begins_at": now, "ends_at": now + timedelta(days=1)}
    rota, _ = Rota.objects.get_or_create(slug="network", defaults={"title": "Network"})
    person = run.requested_by
    shift = Shift.objects.create(rota=rota, person=person, published_at=now, published_by=person, **period)
    substitute = Principal.objects.get(username="outsider")
    delegation = Delegation.objects.create(person=person, substitute=substitute, named_at=now, **period)
    return {
        "profile_change": str(ProfileChange.objects.get().pk),
        "channel": str(NoticeChannel.objects.get().pk),
        "never_touch": str(NeverTouch.objects.get().pk),
        "shift": str(shift.pk),
        "delegation": str(delegation.pk),
        "case": str(run.case_id),
        "case_of_alert": str(alert.case_id),
        "alert": str(alert.pk),
        "run": str(run.pk),
        "request": str(request.pk),
        "digest": request.digest,
        "question": str(question.pk),
        "hold": str(hold.pk),
        "playbook": f"block-{known}",
        "connection": f"fw-{known}",
        "source": f"source-{known}",
        "entry": str(reading.entries()[0].pk),
    }


def _put_away(name: str, keys: Mapping[str, str], cast: Cast) -> None:
    """A playbook, a connection and a source cannot be restricted: on that shelf they are everybody's."""
    if name == RESTRICTED:
        for case in (keys["case"], keys["case_of_alert"]):
            confidences.restrict(UUID(case), caller=cast.caller("analyst"), named=[], reason="Between us.")
        return
    admin = cast.caller("admin")
    for kind in ("playbook", "connection", "source"):
        teams.assign(kind, keys[kind], caller=admin, team=TEAMS[name])
    for case in (keys["case"], keys["case_of_alert"]):
        teams.assign("case", case, caller=cast.caller("analyst"), team=TEAMS[name])


def newcomer(role: str, *, is_superuser: bool = False) -> Principal:
    """Somebody with one role in the team whose own shelf is; nobody's without a role."""
    person = make_person(f"somebody-{role or 'else'}", *([role] if role else []))
    Principal.objects.filter(pk=person.pk).update(is_superuser=is_superuser)
    if role:
        join(person)
    person.refresh_from_db()
    return person


def filled(value: Any, shelf: Shelf) -> Any:
    if isinstance(value, dict):
        return {name: filled(each, shelf) for name, each in value.items()}
    return shelf.keys[value[1:]] if isinstance(value, str) and value.startswith("$") else value


@contextmanager
def undone() -> Iterator[None]:
    """What a call changes is taken back, so that the next one meets the same shelves."""
    block = transaction.atomic()
    block._from_testcase = True  # type: ignore[attr-defined]  # operations insist on being outermost
    with block:
        yield
        transaction.set_rollback(True)
