"""Whose approval it is (cases 11 to 19): nobody decides what they have a hand in, under any name."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import get_resolver

from playbooks.models import Principal, PrincipalKind, Run
from playbooks.operations import people, playbooks, runs
from playbooks.operations.caller import SYSTEM, Caller
from tests.abuse.conftest import Gate
from tests.abuse.doors import TOKEN, Door, drive, refused
from tests.api.callers import session, token_of
from tests.cast import ATTACKER, BLOCK, Cast, connect, publish, start
from tests.web.conftest import post_alert

BOTH = ["approve", "deny"]


def hold(person: Principal, *roles: str) -> None:
    for role in roles:
        people.grant(person, role, actor=SYSTEM, granted_by=None)


def asked_by(cast: Cast, person: str) -> Gate:
    """A run that the named person asked for, at its gate; they hold a role that would fit."""
    connect(cast)
    publish(cast)
    hold(getattr(cast, person), "analyst", "tier-2")
    run = drive(runs.start("block-attacker", caller=cast.caller(person), inputs={"address": ATTACKER}))
    return Gate(cast, run, run.requests.get())


# 11 own request, also as superuser


@pytest.mark.parametrize("verdict", BOTH)
@pytest.mark.parametrize("person", ["analyst", "admin"])
def test_case_11_nobody_decides_what_they_asked_for(
    cast: Cast, door: Door, person: str, verdict: str
) -> None:
    """`admin` is a superuser, and holds the role that the seat asks for."""
    gate = asked_by(cast, person)
    refused(door, getattr(cast, person), gate.request, "own_request", verdict)


# 12 own request by token, service account, or a token minted for another


@pytest.mark.parametrize("verdict", BOTH)
def test_case_12_no_token_decides_whatever_it_may(gate: Gate, verdict: str) -> None:
    refused(TOKEN, gate.cast.tier2, gate.request, "token_not_person", verdict)


def test_case_12_whoever_asked_by_a_token_has_asked(cast: Cast, door: Door) -> None:
    connect(cast)
    publish(cast)
    hold(cast.tier2, "analyst")
    body = {"playbook": "block-attacker", "inputs": {"address": ATTACKER}}
    answer = token_of(cast.tier2, "runs").post("runs/", body)
    run = drive(Run.objects.get(pk=answer.json()["id"]))
    refused(door, cast.tier2, run.requests.get(), "own_request")


def test_case_12_no_service_account_decides_even_in_a_session(gate: Gate, door: Door) -> None:
    robot = people.create(
        "robot",
        actor=SYSTEM,
        name="Robot",
        password="only-for-tests",
        roles=["tier-2"],
        kind=PrincipalKind.SERVICE,
        owner=gate.cast.admin,
    )
    refused(door, robot, gate.request, "token_not_person")


# 14 impersonation


def test_case_14_nobody_becomes_somebody_else(gate: Gate) -> None:
    """There is no such address. The demo's switch is no address outside the demo, for superusers neither."""
    assert not [each for each in get_resolver().reverse_dict if "impersonat" in str(each)]
    browser = Client()
    browser.force_login(gate.cast.admin)
    assert browser.post("/demo/become", {"person": "tier2"}).status_code == 404


# 18 requester field, owner or "run as" changed, then approve


def test_case_18_the_requester_is_who_asked_whatever_the_row_says_later(gate: Gate, door: Door) -> None:
    """Somebody who can write to the database says that another one asked."""
    hold(gate.cast.analyst, "tier-2")
    Run.objects.filter(pk=gate.run.pk).update(requested_by=gate.cast.compliance)
    refused(door, gate.cast.analyst, gate.request, "own_request")


@pytest.mark.parametrize("field", ["requested_by", "requester", "run_as", "owner"])
def test_case_18_nobody_asks_in_the_name_of_another(cast: Cast, field: str) -> None:
    connect(cast)
    publish(cast)
    body = {"playbook": "block-attacker", "inputs": {"address": ATTACKER}, field: str(cast.outsider.pk)}
    assert session(cast.analyst).post("runs/", body).status_code == 400
    assert not Run.objects.exists()


# 19 author approves runs of their own version; two authors approve each other's; authorship hidden by import or copy


def test_case_19_an_author_decides_no_run_of_their_version(gate: Gate, door: Door) -> None:
    hold(gate.cast.author, "tier-2")
    refused(door, gate.cast.author, gate.request, "own_playbook")


def test_case_19_two_authors_do_not_wave_each_other_through(cast: Cast, door: Door) -> None:
    """Both wrote since the last version that somebody else published: neither decides a run of what came of it."""
    connect(cast)
    for person in (cast.tier2, cast.netowner):
        hold(person, "author")
        playbooks.draft(BLOCK.replace("24 hours", person.username), caller=Caller(person))
    publish(cast)
    request = drive(start(cast)).requests.get()
    refused(door, cast.tier2, request, "own_playbook")
    refused(door, cast.netowner, request, "own_playbook")


def test_case_19_a_copy_under_another_name_has_its_first_author_too(cast: Cast, door: Door) -> None:
    """tier2 writes it, and has somebody else bring the same steps in under another name."""
    connect(cast)
    hold(cast.tier2, "author")
    playbooks.draft(BLOCK, caller=cast.caller("tier2"))
    copy = BLOCK.replace("playbook: block-attacker", "playbook: innocent").replace("attacking", "odd")
    publish(cast, copy)
    request = drive(start(cast, "innocent")).requests.get()
    refused(door, cast.tier2, request, "own_playbook")


# and: requested through somebody


def test_whoever_put_in_force_what_an_alert_starts_counts_as_having_asked(cast: Cast, door: Door) -> None:
    connect(cast)
    publish(cast, BLOCK.replace('alert.source == "suricata" && alert.severity >= 70', "alert.severity >= 0"))
    hold(cast.publisher, "tier-2")
    post_alert("Scan", observables={"ip": [ATTACKER]})
    run = drive(Run.objects.get())
    refused(door, cast.publisher, run.requests.get(), "requested_through")
