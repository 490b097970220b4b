"""Playbooks on pages: written, checked, reviewed and put in force by forms."""

from __future__ import annotations

from django.urls import reverse

from playbooks.models import PlaybookVersion
from playbooks.operations import people
from playbooks.operations.caller import SYSTEM
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


def test_a_reviewer_reads_what_gets_weaker_before_anything_else(world: World, look: Look) -> None:
    weaker = BLOCK.replace("      - {role: network-owner}\n", "").replace("hours: 24", "hours: 48")
    look("author").post(reverse("playbook", args=PAGE), {"text": weaker})
    text = look("publisher").get(reverse("playbook-version", args=["block-attacker", 2])).content.decode()
    weakest, steps = text.index("network-owner is dropped"), text.index("Step by step")
    assert weakest < steps < text.index("line by line")
    assert "<code>with.hours</code></dt><dd><del>24</del> <ins>48</ins>" in text
    assert "with.address" not in text


def test_any_two_versions_are_compared(world: World, look: Look) -> None:
    author = look("author")
    author.post(reverse("playbook", args=PAGE), {"text": BLOCK.replace("within: 30m", "within: 2h")})
    first = reverse("playbook-version", args=["block-attacker", 1])
    assert (
        "&#x27;gate&#x27; waits for 2h instead of 30m" in author.get(first, {"against": "2"}).content.decode()
    )
    for nonsense in ("1", "9", "x", "-1"):
        assert "Changes from version" not in author.get(first, {"against": nonsense}).content.decode()


def test_what_publishing_would_do_stands_above_the_button(world: World, look: Look) -> None:
    look("author").post(reverse("playbook", args=PAGE), {"text": BLOCK.replace(">= 70", ">= 0")})
    version = reverse("playbook-version", args=["block-attacker", 2])
    look("author").post(version, {"move": "submit"})
    text = look("publisher").get(version).content.decode()
    assert text.index("1 run stays on version 1; 1 gate waits there.") < text.index('value="publish"')
    assert 'it would have matched <span class="strong">0</span>; version 1 matches 0' in text
    assert "Once it is published" not in look("analyst").get(version).content.decode()


def test_a_reviewer_sends_it_back_and_the_author_reads_why(world: World, look: Look) -> None:
    author, publisher = look("author"), look("publisher")
    author.post(reverse("playbook", args=PAGE), {"text": BLOCK.replace("within: 30m", "within: 2h")})
    version = reverse("playbook-version", args=["block-attacker", 2])
    author.post(version, {"move": "submit"})
    assert publisher.post(version, {"move": "send_back", "reason": " "}).status_code == 400
    assert (
        publisher.post(version, {"move": "send_back", "reason": "2 h is <b>too long</b>."}).status_code == 302
    )
    text = author.get(version).content.decode()
    assert "2 h is &lt;b&gt;too long&lt;/b&gt;." in text
    assert "Send to review" in text
    assert look("analyst").post(version, {"move": "send_back", "reason": "No."}).status_code == 403


def test_an_author_with_the_publishers_role_reads_why_they_cannot_publish(world: World, look: Look) -> None:
    people.grant(world.cast.author, "publisher", actor=SYSTEM, granted_by=None)
    author = look("author")
    author.post(reverse("playbook", args=PAGE), {"text": BLOCK.replace("within: 30m", "within: 2h")})
    version = reverse("playbook-version", args=["block-attacker", 2])
    author.post(version, {"move": "submit"})
    text = author.get(version).content.decode()
    assert "so somebody else has to publish it." in text
    assert 'value="publish"' not in text


def test_what_cannot_be_published_says_why_before_and_after_the_button(world: World, look: Look) -> None:
    text = "playbook: parent\ntitle: A parent\nsteps:\n  - id: part\n    run: nowhere\n"
    author, publisher = look("author"), look("publisher")
    assert author.post(reverse("new-playbook"), {"text": text}).status_code == 302
    version = reverse("playbook-version", args=["parent", 1])
    author.post(version, {"move": "submit"})
    sentence = "step &#x27;part&#x27; runs nowhere, which has no published version"
    assert sentence in publisher.get(version).content.decode()
    refused = publisher.post(version, {"move": "publish"})
    assert refused.status_code == 400
    assert f"Line 5: {sentence}" in refused.content.decode()


def test_a_version_is_adapted_in_the_editor(world: World, look: Look) -> None:
    version = reverse("playbook-version", args=["block-attacker", 1])
    assert '<details class="disclosure" open>' in look("author").get(version, {"edit": "1"}).content.decode()
    assert "?edit=1#editor" not in look("analyst").get(version).content.decode()


def test_the_page_names_the_techniques_that_a_playbook_answers(world: World, look: Look) -> None:
    text = BLOCK.replace("title:", "references: [T1566.002, M1031, D3-NTF]\ntitle:", 1)
    assert look("author").post(reverse("playbook", args=PAGE), {"text": text}).status_code == 302
    page = look("author").get(reverse("playbook-version", args=[*PAGE, 2])).content.decode()
    assert 'href="https://attack.mitre.org/techniques/T1566/002/"' in page
    assert 'href="https://attack.mitre.org/mitigations/M1031/"' in page
    assert "D3-NTF" in page
