"""A question as a page: typed fields with their defaults, errors at the field, and the answer afterwards."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from playbooks.models import Question, Run
from playbooks.operations import answers, runs
from tests.cast import Cast, publish
from tests.web.conftest import Look

ASK = """\
playbook: scoping
title: Scope an incident
steps:
  - id: known
    set: {owner: Nadia}
  - id: scope
    ask: Which hosts are affected?
    show: [known]
    fields:
      hosts: {type: list, title: Affected hosts}
      also: {type: list, default: [mail, web]}
      count: {type: integer, default: 3}
      share: {type: number, default: 0.5}
      urgent: {type: boolean, default: true}
      note: {type: string, default: ""}
    who: {role: tier-2}
    within: 4h
    late: LATE
"""
FORM = {
    "input_hosts": "laptop-1\n\n laptop-2 ",
    "input_also": "mail",
    "input_count": "4",
    "input_share": "0.5",
    "input_urgent": "False",
    "input_note": "",
}


@pytest.fixture
def question(cast: Cast) -> Question:
    return ask(cast)


def ask(cast: Cast, late: str = "fail") -> Question:
    publish(cast, ASK.replace("LATE", late))
    run: Run = runs.start("scoping", caller=cast.caller("analyst"))
    return Question.objects.get(run=run)


def late(question: Question) -> None:
    """Its time is over, and the sweep comes by."""
    Question.objects.update(due_at=timezone.now())
    answers.expire(question.pk, now=timezone.now())


def page(browser: Client, question: Question) -> str:
    return browser.get(reverse("question", args=[question.pk])).content.decode()


def test_the_inbox_shows_what_is_asked_of_whoever_holds_the_role(question: Question, look: Look) -> None:
    home = look("tier2").get(reverse("inbox"))
    assert "Asked of you" in home.content.decode()
    assert "Which hosts are affected?" in home.content.decode()
    assert home.context["navigation"][0].count == 1
    assert "Asked of you" not in look("analyst").get(reverse("inbox")).content.decode()


def test_the_page_has_a_typed_field_each_with_its_default_what_is_shown_and_the_deadline(
    question: Question, look: Look
) -> None:
    text = page(look("tier2"), question)
    assert "Affected hosts" in text
    assert "mail\nweb</textarea>" in text
    assert 'type="number" name="input_count" value="3"' in text
    assert '<option value="True" selected>Yes</option>' in text
    assert "Nadia" in text
    assert "If nobody answers in time, the step fails." in text
    assert "data-countdown" in text


def test_an_answer_is_typed_recorded_and_shown_with_who_gave_it(question: Question, look: Look) -> None:
    browser = look("tier2")
    answer = browser.post(reverse("question", args=[question.pk]), FORM, follow=True)
    outputs = question.run.steps.get(key="scope").outputs
    assert outputs == {
        "hosts": ["laptop-1", "laptop-2"],
        "also": ["mail"],
        "count": 4,
        "share": 0.5,
        "urgent": False,
        "note": "",
        "answered_by": "Tier2",
    }
    assert "Answered by Tier2" in answer.content.decode()
    history = browser.get(reverse("inbox"), {"show": "questions"}).content.decode()
    assert "Which hosts are affected?" in history
    assert "Tier2" in history


def test_a_list_that_is_emptied_is_empty_and_not_its_default(question: Question, look: Look) -> None:
    look("tier2").post(reverse("question", args=[question.pk]), {**FORM, "input_also": ""})
    assert question.run.steps.get(key="scope").outputs["also"] == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"input_count": "many"}, "Enter a whole number."),
        ({"input_hosts": " \n "}, "This field is required."),
        ({"input_count": str(2**60)}, "too large to be exact"),
        ({"input_urgent": "maybe"}, "Select a valid choice"),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_the_rest_stays_typed(
    question: Question, look: Look, changes: dict[str, str], sentence: str
) -> None:
    answer = look("tier2").post(
        reverse("question", args=[question.pk]), {**FORM, "input_note": "Seen twice", **changes}
    )
    text = answer.content.decode()
    assert answer.status_code == 400
    assert sentence in text
    assert "Seen twice" in text
    question.refresh_from_db()
    assert question.status == "open"


def test_who_may_not_answer_reads_why_and_gets_no_form(question: Question, look: Look) -> None:
    browser = look("analyst")
    text = page(browser, question)
    assert "not_in_seat" in text
    assert 'name="input_hosts"' not in text
    assert browser.post(reverse("question", args=[question.pk]), FORM).status_code == 403
    assert look("outsider").get(reverse("question", args=[question.pk])).status_code == 404


def test_a_closed_question_takes_no_answer_and_says_what_became_of_it(question: Question, look: Look) -> None:
    late(question)
    browser = look("tier2")
    assert "Nobody answered in time" in page(browser, question)
    assert browser.post(reverse("question", args=[question.pk]), FORM).status_code == 409


def test_a_question_that_stays_open_is_marked_as_late(cast: Cast, look: Look) -> None:
    question = ask(cast, "hold")
    assert "it stays open, marked as late" in page(look("tier2"), question)
    late(question)
    text = page(look("tier2"), question)
    assert '<span class="badge" data-tone="warning">late</span>' in text
    assert "no deadline" in text


def test_a_question_with_hidden_characters_or_markup_is_shown_as_it_is(
    question: Question, look: Look
) -> None:
    """Its words may come from an alert."""
    Question.objects.update(text="<b>Which</b> \u202e hosts?")
    text = page(look("tier2"), question)
    assert "<b>Which</b>" not in text
    assert "\u202e" not in text
    assert "\\u202e" in text
