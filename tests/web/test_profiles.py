"""The profile: on every page, and changed by two people on its own."""

from __future__ import annotations

import pytest
from django.urls import reverse

from playbooks.models import ProfileChange
from tests.web.conftest import Look, World

PROPOSED = {"profile": "solo", "reason": "Only I am left <here>."}


@pytest.mark.parametrize("page", ["inbox", "alerts", "cases", "runs", "playbooks", "holds", "notifications"])
def test_every_page_says_which_profile_holds_and_what_is_proposed(
    world: World, look: Look, page: str
) -> None:
    browser = look("analyst")
    assert "Profile: team" in browser.get(reverse(page)).content.decode()
    look("tier2").post(reverse("profile"), PROPOSED)
    text = browser.get(reverse(page)).content.decode()
    assert "Tier2 proposes the profile solo" in text
    assert "Only I am left &lt;here&gt;." in text


def test_two_people_change_it_on_the_page(world: World, look: Look) -> None:
    look("tier2").post(reverse("profile"), PROPOSED)
    change = ProfileChange.objects.get()
    own = look("tier2").post(reverse("profile-confirm", args=[change.pk]))
    assert (own.status_code, "You proposed it" in own.content.decode()) == (403, True)
    assert look("admin").post(reverse("profile-confirm", args=[change.pk])).status_code == 403
    look("netowner").post(reverse("profile-confirm", args=[change.pk]))
    text = look("analyst").get(reverse("inbox")).content.decode()
    assert "Profile solo. Duties are not segregated" in text
    assert look("netowner").post(reverse("profile-withdraw", args=[change.pk])).status_code == 409


def test_the_page_names_gates_that_nobody_could_open(world: World, look: Look) -> None:
    world.cast.netowner.memberships.all().delete()
    text = look("compliance").get(reverse("profile")).content.decode()
    assert "Only those who decide under a profile change it." in text
    assert "network-owner" in text


@pytest.mark.parametrize("given", [{"profile": "trio"}, {"reason": " "}, {"profile": "team"}])
def test_what_cannot_be_proposed_is_said(world: World, look: Look, given: dict[str, str]) -> None:
    answer = look("tier2").post(reverse("profile"), PROPOSED | given)
    assert answer.status_code in {400, 409}
    assert not ProfileChange.objects.exists()
