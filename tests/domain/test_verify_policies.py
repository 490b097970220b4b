"""What policies asked is replayed from the entries: a step that ran for less than they asked is found."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from playbooks.domain.canonical import canonical, digest
from playbooks.domain.replay import ContradictionError
from tests.domain.test_verify_replay import SUBJECT, claim, replay, story

TIER2: dict[str, Any] = {
    "digest": "0" * 64,
    "seats": [{"role": "tier-2", "met_by": []}],
    "step_up": False,
}
OWNER = {**TIER2, "seats": [{"role": "asset-owner", "met_by": ["network-owner"]}]}
EITHER = {**TIER2, "seats": [{"role": "asset-owner", "met_by": ["tier-2"]}]}


def ran(**facts: Any) -> list[tuple[str, str, dict[str, Any]]]:
    """The honest story, in which the step was claimed with these facts besides."""
    entries = copy.deepcopy(story())
    claimed = next(each for verb, _, each in entries if verb == "step.claimed")
    claimed.update(facts)
    return entries


@pytest.mark.parametrize("asked", [{}, {"edge 1": TIER2}, {"edge 1": EITHER}, {"a 1": TIER2, "b 2": EITHER}])
def test_a_step_whose_request_met_its_policies_replays(asked: dict[str, Any]) -> None:
    assert replay(ran(policies=asked)).approved_actions == 1


def test_a_step_that_ran_although_a_policy_asked_for_more_is_found() -> None:
    with pytest.raises(ContradictionError, match=r"the policy edge 2 asks for seats that nobody filled"):
        replay(ran(policies={"edge 1": TIER2, "edge 2": OWNER}))


def test_a_step_that_nobody_approved_is_found_where_a_policy_asked() -> None:
    entries = [
        *story(),
        ("step.claimed", "worker", {**claim("tell", effect="message"), "policies": {"p 1": TIER2}}),
    ]
    with pytest.raises(ContradictionError, match=r"the policy p 1 asks"):
        replay(entries)


def test_a_policy_that_cannot_be_read_is_found() -> None:
    with pytest.raises(ContradictionError, match="lacks a fact"):
        replay(ran(policies={"edge 1": {}}))


Entries = list[tuple[str, str, dict[str, Any]]]
ASKED = {"step": "look-up", "countersigns": True}


def provisional(*, used: bool = True, asked: bool = True, effect: str = "change") -> Entries:
    """A step that ran provisionally after the honest story. Its request is that of the story, as far as it matters."""
    entries = copy.deepcopy(story())
    said = {"step": "look-up", "provisional": "contain 1"}
    claimed = {**claim("look-up", effect=effect), "policies": {"edge 1": OWNER}, "provisional": "contain 1"}
    entries += [("provisional.used", "worker", said)] if used else []
    entries += [("step.claimed", "worker", claimed), ("step.succeeded", "worker", {"step": "look-up"})]
    opened = next(facts for verb, _, facts in entries if verb == "request.opened")
    again = {**copy.deepcopy(opened), **ASKED, "request": "another"}
    return [*entries, ("request.opened", "worker", again)] if asked else entries


def test_what_ran_provisionally_is_counted_as_that() -> None:
    told = replay(provisional())
    assert (told.provisional_actions, told.approved_actions, told.other_actions) == (1, 1, 1)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"used": False}, "under the provisional contain 1, and no entry says so"),
        ({"asked": False}, "nobody was asked to countersign it"),
        ({"effect": "destroy"}, "no change that can be undone"),
    ],
)
def test_what_ran_provisionally_and_should_not_have_is_found(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ContradictionError, match=words):
        replay(provisional(**changed)).finish()


def test_what_is_left_to_stand_though_nobody_countersigned_it_is_found() -> None:
    entries = [*provisional(), ("expiry.dropped", "worker", {"step": "look-up"})]
    with pytest.raises(ContradictionError, match="nobody countersigned it"):
        replay(entries)


def permitted(*, used: bool) -> list[tuple[str, str, dict[str, Any]]]:
    said = [("permit.used", "worker", {"step": "look-up", "permit": "routine 1"})] if used else []
    facts = {**claim("look-up", effect="change"), "policies": {"edge 1": OWNER}, "permit": "routine 1"}
    return [*story(), *said, ("step.claimed", "worker", facts)]


def test_a_step_under_a_permit_replays_where_its_use_is_recorded() -> None:
    assert replay(permitted(used=True)).other_actions == 2


def test_a_permit_of_which_no_use_is_recorded_is_found() -> None:
    with pytest.raises(ContradictionError, match="no entry says so"):
        replay(permitted(used=False))


def test_a_request_that_shows_a_policy_and_lacks_its_seat_is_found() -> None:
    subject = {**SUBJECT, "policies": {"edge 1": OWNER}}
    entries = copy.deepcopy(story())
    opened = next(each for verb, _, each in entries if verb == "request.opened")
    opened.update(subject=canonical(subject).decode(), digest=digest(subject))
    with pytest.raises(
        ContradictionError, match=r"The policy edge 1 asks for more seats than the request has"
    ):
        replay(entries)
