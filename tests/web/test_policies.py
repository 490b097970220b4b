"""The pages of policies: writing, reviewing, putting in force, explaining, trying, and what is never touched."""

from __future__ import annotations

import pytest
from django.urls import reverse

from playbooks.domain.statuses import VersionStatus
from playbooks.models import NeverTouch, PolicyVersion
from playbooks.operations import policies
from tests.cast import Cast
from tests.web.conftest import Look, World

POLICY = """\
policy: edge
title: The edge
when: action.connector == "nftables"
require: {seats: [{role: tier-2}]}
"""


def version_page(number: int = 1, slug: str = "edge") -> str:
    return reverse("policy-version", args=[slug, number])


def in_review(cast: Cast, text: str = POLICY) -> PolicyVersion:
    version = policies.draft(text, caller=cast.caller("author"))
    return policies.submit("edge", version.number, caller=cast.caller("author"))


def test_a_policy_is_written_sent_to_review_and_put_in_force_on_its_pages(cast: Cast, look: Look) -> None:
    author, publisher = look("author"), look("publisher")
    checked = author.post(reverse("new-policy"), {"text": POLICY.replace("tier-2", "tier-3"), "check": "1"})
    assert "did you mean &#x27;tier-2&#x27;" in checked.content.decode()
    assert "4:" in checked.content.decode()
    stored = author.post(reverse("new-policy"), {"text": POLICY})
    assert stored["Location"] == version_page()
    author.post(version_page(), {"move": "submit"})
    refused = author.post(version_page(), {"move": "publish"})
    assert refused.status_code == 403
    assert "in force" in publisher.post(version_page(), {"move": "publish"}, follow=True).content.decode()
    assert PolicyVersion.objects.get().status == VersionStatus.PUBLISHED


def test_a_reviewer_sees_what_is_weakened_before_the_rest(cast: Cast, look: Look) -> None:
    version = in_review(cast, POLICY.replace("[{role: tier-2}]", "[{role: tier-2}, {role: network-owner}]"))
    policies.publish("edge", version.number, caller=cast.caller("publisher"))
    in_review(cast)
    text = look("publisher").get(version_page(2)).content.decode()
    assert "It asks for no network-owner any more." in text
    assert "Put in force" in text


def test_what_lingers_and_what_nobody_can_fill_is_told(cast: Cast, look: Look) -> None:
    first = in_review(cast, POLICY.replace("tier-2", "asset-owner"))
    policies.publish("edge", first.number, caller=cast.caller("publisher"))
    assert "Nobody can fill what it asks" in look("analyst").get(version_page()).content.decode()
    assert "nobody can fill Asset owner" in look("analyst").get(reverse("policies")).content.decode()
    second = in_review(cast)
    policies.publish("edge", second.number, caller=cast.caller("publisher"))
    assert "It is still asked" in look("analyst").get(version_page()).content.decode()


def test_explaining_an_action_names_the_policies_and_the_seats(
    world: World, look: Look, default_policies: None
) -> None:
    asked = {"action": "nftables.block_address", "connection": "edge-firewall", "target": "203.0.113.9"}
    text = look("analyst").get(reverse("policy-explain"), asked).content.decode()
    assert "One approver for every change in production" in text
    assert "it waits for" in text
    assert "connection.production" in text
    unknown = look("analyst").get(reverse("policy-explain"), {**asked, "connection": "nowhere"})
    assert unknown.status_code == 400


def test_trying_a_version_tells_what_it_would_have_asked(world: World, look: Look) -> None:
    in_review(world.cast)
    page = look("analyst").get(reverse("policy-simulate", args=["edge", 1])).content.decode()
    assert "It would have asked" in page


def test_a_target_is_listed_and_taken_off_on_the_page(cast: Cast, look: Look) -> None:
    form = {"kind": "address", "value": "10.0.0.0/8", "reason": "Ours."}
    listed = look("author").post(reverse("never-touch"), form, follow=True).content.decode()
    assert "No action changes it from now on." in listed
    row = NeverTouch.objects.get()
    address = reverse("never-touch-remove", args=[row.pk])
    assert look("author").post(address, {"reason": "No."}).status_code == 403
    removed = look("publisher").post(address, {"reason": "Sold."}, follow=True).content.decode()
    assert "kept to for another day" in removed


@pytest.mark.parametrize("value", ["", "nowhere"])
def test_a_target_that_is_none_comes_back_with_what_was_typed(cast: Cast, look: Look, value: str) -> None:
    form = {"kind": "address", "value": value, "reason": "Ours."}
    answer = look("author").post(reverse("never-touch"), form)
    assert answer.status_code == 400
    assert "Ours." in answer.content.decode()


def test_a_policy_that_is_not_there_is_not_found(cast: Cast, look: Look) -> None:
    for address in (
        reverse("policy", args=["no"]),
        version_page(),
        reverse("policy-simulate", args=["no", 1]),
    ):
        assert look("analyst").get(address).status_code == 404
