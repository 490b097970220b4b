"""The page of delegations: naming, what is said of it, ending, and who sees which."""

from __future__ import annotations

from datetime import timedelta

from django.urls import reverse
from django.utils import timezone

from playbooks.models import Delegation
from tests.proving import proven_in
from tests.web.conftest import Look, World

FORM = {"substitute": "netowner", "ends_at": "", "reason": "On leave <until> Monday."}


def form(**more: str) -> dict[str, str]:
    until = timezone.now() + timedelta(days=2)
    return FORM | {"ends_at": f"{until:%Y-%m-%dT%H:%M}"} | more


def test_a_substitute_is_named_seen_by_both_and_ended(world: World, look: Look) -> None:
    browser = proven_in(look("tier2"), world.cast.tier2)
    assert "Nobody stands in for you" in browser.get(reverse("delegations")).content.decode()
    named = browser.post(reverse("delegations"), form(), follow=True).content.decode()
    assert "Netowner stands in for you until" in named
    assert "On leave &lt;until&gt; Monday." in named
    assert "You stand in for them" in look("netowner").get(reverse("delegations")).content.decode()
    assert "On leave" not in look("analyst").get(reverse("delegations")).content.decode()
    ended = look("netowner").post(reverse("delegation-end", args=[Delegation.objects.get().pk]), follow=True)
    assert "It is ended" in ended.content.decode()
    assert "ended by Netowner" in ended.content.decode()


def test_a_refusal_keeps_what_was_typed(world: World, look: Look) -> None:
    answer = look("tier2").post(reverse("delegations"), form(substitute="tier2"))
    assert answer.status_code == 403
    assert "Only another active person can stand in for you." in answer.content.decode()
    assert "On leave &lt;until&gt; Monday." in answer.content.decode()
    assert look("tier2").post(reverse("delegations"), form(ends_at="soon")).status_code == 400
    assert not Delegation.objects.exists()


def test_a_stranger_ends_nothing(world: World, look: Look) -> None:
    proven_in(look("tier2"), world.cast.tier2).post(reverse("delegations"), form())
    row = Delegation.objects.get()
    for person, status in (("analyst", 403), ("outsider", 403)):
        assert look(person).post(reverse("delegation-end", args=[row.pk])).status_code == status
    row.refresh_from_db()
    assert row.ended_by is None
