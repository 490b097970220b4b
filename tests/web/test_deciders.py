"""Who could decide, who could not and why; and what nobody could take is said at once."""

from __future__ import annotations

import json

from django.urls import reverse

from playbooks.domain.policies.asking import LIMIT
from playbooks.operations import people
from playbooks.operations.caller import SYSTEM
from playbooks.queries import approvals as queries
from playbooks.queries.deciders import deciders
from playbooks.queries.seat_sources import sources_of
from tests.web.conftest import Look, World


def test_each_is_told_by_the_rules_that_a_decision_is_judged_by(world: World) -> None:
    people.grant(world.cast.author, "tier-2", actor=SYSTEM, granted_by=None)
    found = deciders(world.request.pk, world.cast.compliance)
    assert found is not None
    assert [(each.name, each.seats) for each in found.could] == [
        ("Netowner", ("Network owner",)),
        ("Tier2", ("Tier 2 analyst",)),
    ]
    assert {each.name: each.rules for each in found.could_not} == {
        "Analyst": ("own_request", "not_in_seat"),
        "Author": ("own_playbook",),
    }


def test_only_who_may_see_people_is_told(world: World, look: Look) -> None:
    address = reverse("approval-deciders", args=[world.request.pk])
    text = look("compliance").get(address).content.decode()
    assert "asked for it" in text
    assert look("outsider").get(address).status_code == 404
    assert deciders(world.request.pk, world.cast.outsider) is None


def test_a_seat_that_nobody_could_take_is_said_at_once_on_the_page_and_in_the_inbox(
    world: World, look: Look
) -> None:
    approval = reverse("approval", args=[world.request.pk])
    assert "Nobody could take the seat" not in look("tier2").get(approval).content.decode()
    people.deactivate(world.cast.netowner, actor=SYSTEM)
    assert "Nobody could take the seat Network owner" in look("tier2").get(approval).content.decode()
    assert "Nobody could take a seat" in look("tier2").get(reverse("inbox")).content.decode()


def test_whoever_asked_or_wrote_it_fills_no_seat(world: World) -> None:
    people.deactivate(world.cast.netowner, actor=SYSTEM)
    for person in (world.cast.analyst, world.cast.author):
        people.grant(person, "network-owner", actor=SYSTEM, granted_by=None)
    view = queries.request_view(world.request.pk, world.cast.tier2)
    assert view is not None
    assert [(seat.role, seat.is_fillable) for seat in view.seats] == [
        ("tier-2", True),
        ("network-owner", False),
    ]


def test_one_person_with_both_roles_does_not_fill_both_seats(world: World) -> None:
    people.deactivate(world.cast.netowner, actor=SYSTEM)
    people.grant(world.cast.tier2, "network-owner", actor=SYSTEM, granted_by=None)
    view = queries.request_view(world.request.pk, world.cast.tier2)
    assert view is not None
    assert [seat.is_fillable for seat in view.seats].count(False) == 1


def test_a_printed_request_has_what_an_auditor_needs(world: World, look: Look) -> None:
    form = {"verdict": "approve", "digest": world.request.digest, "comment": ""}
    look("tier2").post(reverse("decide", args=[world.request.pk]), form)
    address = reverse("approval", args=[world.request.pk])
    text = look("admin").get(address).content.decode()
    assert text.count(world.request.digest) >= 3
    assert "from 127.0.0.1" in text
    assert "127.0.0.1" not in look("netowner").get(address).content.decode()


def test_each_seat_says_which_rule_asks_for_it(world: World) -> None:
    subject = json.loads(world.request.subject)
    more = {"two-people 3": {"digest": "", "seats": [{"role": "publisher", "met_by": []}], "step_up": ""}}
    limit = {LIMIT: {"digest": "", "seats": [{"role": "asset-owner", "met_by": []}], "step_up": ""}}
    asked = {**subject, "seats": [*subject["seats"], "asset-owner", "publisher"], "policies": more | limit}
    assert sources_of(world.request, asked) == (
        "“gate” of block-attacker 1",
        "“gate” of block-attacker 1",
        "the limit of its connection",
        "the policy two-people 3",
    )
