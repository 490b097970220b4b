"""Playbooks on pages: written, checked, reviewed and put in force by forms."""

from __future__ import annotations

from django.urls import reverse

from playbooks.models import PlaybookVersion
from tests.cast import BLOCK
from tests.web.conftest import Look, World

PAGE = ["block-attacker"]


def test_a_draft_becomes_the_version_in_force_by_two_people(world: World, look: Look) -> None:
    author, publisher = look("author"), look("publisher")
    changed = BLOCK.replace("within: 30m", "within: 2h")
    assert author.post(reverse("playbook", args=PAGE), {"text": changed}).status_code == 302
    version = reverse("playbook-version", args=["block-attacker", 2])
    assert author.post(version, {"move": "submit"}).status_code == 302
    assert author.post(version, {"move": "publish"}).status_code == 403
    text = publisher.get(version).content.decode()
    assert 'data-change="removed">    within: 30m' in text
    assert 'data-change="added">    within: 2h' in text
    assert publisher.post(version, {"move": "publish"}).status_code == 302
    assert PlaybookVersion.objects.get(number=2).status == "published"


def test_a_text_with_problems_is_kept_with_the_place_of_each(world: World, look: Look) -> None:
    broken = BLOCK.replace("approve:", "aprove:")
    answer = look("author").post(reverse("playbook", args=PAGE), {"text": broken})
    assert answer.status_code == 400
    text = answer.content.decode()
    assert "aprove: Block" in text
    line = broken[: broken.index("id: gate")].count("\n") + 1
    assert f">{line}:5</code> a step needs one of" in text
    assert PlaybookVersion.objects.count() == 1


def test_the_check_button_stores_nothing(world: World, look: Look) -> None:
    answer = look("author").post(reverse("playbook", args=PAGE), {"text": BLOCK, "check": "1"})
    assert answer.status_code == 200
    assert "No problems." in answer.content.decode()
    assert PlaybookVersion.objects.count() == 1


def test_the_editor_is_checked_while_somebody_types(world: World, look: Look) -> None:
    answer = look("author").post(reverse("check-playbook"), {"text": "playbook: x\ntitle: 1\n"})
    assert answer.status_code == 200
    text = answer.content.decode()
    assert "<html" not in text
    assert "2:8" in text
    assert look("analyst").post(reverse("check-playbook"), {"text": "x"}).status_code == 403


def test_a_new_playbook_begins_with_its_first_draft(world: World, look: Look) -> None:
    text = BLOCK.replace("block-attacker", "block-another")
    assert look("author").post(reverse("new-playbook"), {"text": text}).status_code == 302
    assert look("author").post(reverse("new-playbook"), {"text": "x"}).status_code == 400
    assert look("analyst").post(reverse("new-playbook"), {"text": text}).status_code == 403


def test_a_text_of_another_playbook_is_no_version_of_this_one(world: World, look: Look) -> None:
    text = BLOCK.replace("block-attacker", "block-another")
    answer = look("author").post(reverse("playbook", args=PAGE), {"text": text})
    assert answer.status_code == 400
    assert "block-another" in answer.content.decode()


def test_who_may_not_write_stores_no_draft(world: World, look: Look) -> None:
    assert look("publisher").post(reverse("playbook", args=PAGE), {"text": BLOCK}).status_code == 403
    assert look("outsider").post(reverse("playbook", args=PAGE), {"text": BLOCK}).status_code == 404
    assert PlaybookVersion.objects.count() == 1


def test_a_move_that_does_not_follow_is_a_conflict(world: World, look: Look) -> None:
    version = reverse("playbook-version", args=["block-attacker", 1])
    assert look("publisher").post(version, {"move": "publish"}).status_code == 409
    assert look("publisher").post(version, {"move": "explode"}).status_code == 400
