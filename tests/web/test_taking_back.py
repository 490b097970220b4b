"""Taking back and asking again, on the page of a request: offered to whom it is open, refused to others."""

from __future__ import annotations

from django.urls import reverse

from playbooks.domain.statuses import RequestStatus
from playbooks.models import Run
from tests.cast import Cast
from tests.listed import begin_listed
from tests.web.conftest import Look, World


def decide(world: World, look: Look, person: str, verdict: str = "approve") -> None:
    form = {"verdict": verdict, "digest": world.request.digest, "comment": "It is our <own> scanner."}
    assert look(person).post(reverse("decide", args=[world.request.pk]), form).status_code == 302


def shown(world: World, look: Look, person: str) -> str:
    return look(person).get(reverse("approval", args=[world.request.pk])).content.decode()


def test_a_decider_is_offered_to_take_back_their_decision_and_nobody_else_is(
    world: World, look: Look
) -> None:
    decide(world, look, "tier2")
    assert "Take back your decision" in shown(world, look, "tier2")
    assert "Take back your decision" not in shown(world, look, "netowner")
    address = reverse("withdraw-decision", args=[world.request.pk])
    assert look("netowner").post(address, {"reason": "x"}).status_code == 409
    assert look("tier2").post(address, {"reason": ""}).status_code == 400
    text = look("tier2").post(address, {"reason": "I misread it."}, follow=True).content.decode()
    assert "and took it back" in text
    assert "I misread it." in text
    assert "Take back your decision" not in text


def test_whoever_asked_is_offered_to_take_back_the_request(world: World, look: Look) -> None:
    assert "Take back the request" in shown(world, look, "analyst")
    assert "Take back the request" not in shown(world, look, "tier2")
    address = reverse("withdraw-request", args=[world.request.pk])
    assert look("tier2").post(address, {"reason": "x"}).status_code == 403
    look("analyst").post(address, {"reason": "It was a test."})
    world.request.refresh_from_db()
    assert world.request.status == RequestStatus.WITHDRAWN


def test_what_was_denied_is_asked_again_with_the_denial_shown(world: World, look: Look) -> None:
    decide(world, look, "tier2", "deny")
    assert "Ask once more" in shown(world, look, "analyst")
    assert "Ask once more" not in shown(world, look, "netowner")
    address = reverse("ask-again", args=[world.request.pk])
    assert look("netowner").post(address, {"evidence": "x"}).status_code == 403
    look("analyst").post(address, {"evidence": "The owner <knows> of no scan."})
    again = Run.objects.get(repeats=world.run).requests.get()
    text = look("netowner").get(reverse("approval", args=[again.pk])).content.decode()
    assert "It was denied before" in text
    assert "It is our &lt;own&gt; scanner." in text
    assert "The owner &lt;knows&gt; of no scan." in text
    assert "Ask once more" not in shown(world, look, "analyst")


def test_whoever_may_decide_is_offered_to_strike_single_items(cast: Cast, look: Look) -> None:
    request = begin_listed(cast).requests.get()
    address = reverse("strike", args=[request.pk])
    assert "Strike single items" in look("tier2").get(reverse("approval", args=[request.pk])).content.decode()
    assert "Strike single" not in look("analyst").get(reverse("approval", args=[request.pk])).content.decode()
    form = {"digest": request.digest, "step": ["each_one[0].block", "each_one[2].block"], "reason": "Ours."}
    assert look("analyst").post(address, form).status_code == 403
    refused = look("tier2").post(address, {**form, "reason": ""})
    assert (refused.status_code, refused.content.decode().count(" checked")) == (400, 2)
    text = look("tier2").post(address, form, follow=True).content.decode()
    assert "This is what is left to decide." in text
    assert "203.0.113.2" in text
    assert "203.0.113.1" not in text
    assert "Strike single items" not in text


def test_a_request_about_one_thing_has_no_items_to_strike(world: World, look: Look) -> None:
    assert "Strike single items" not in shown(world, look, "tier2")


def test_an_outsider_is_not_told_that_there_is_such_a_request(world: World, look: Look) -> None:
    form = {"reason": "x", "evidence": "x", "step": "block", "digest": world.request.digest}
    for name in ("withdraw-decision", "withdraw-request", "ask-again", "strike"):
        answer = look("outsider").post(reverse(name, args=[world.request.pk]), form)
        assert answer.status_code == 404
        assert b"203.0.113.9" not in answer.content
