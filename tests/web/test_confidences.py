"""Keeping others out of a case, on its page: restricted, people named on it, and whom it is about."""

from __future__ import annotations

from django.test import Client
from django.urls import reverse

from playbooks.models import Case
from tests.cast import Cast
from tests.proving import proven_in
from tests.teams import case_of_nobody
from tests.web.conftest import Look

WHY = "It concerns one of us."


def page(browser: Client, case: Case) -> str:
    return browser.get(reverse("case", args=[case.pk])).content.decode()  # type: ignore[no-any-return]


def confirm(browser: Client, do: str, case: Case, **form: str) -> int:
    posted = {"do": do, "confirmed": "yes", "case": str(case.pk), "reason": WHY, **form}
    return browser.post(reverse("access-change"), posted).status_code  # type: ignore[no-any-return]


def test_who_works_on_a_case_keeps_others_out_names_some_and_lets_it_be_seen_again(
    cast: Cast, look: Look
) -> None:
    case, analyst = case_of_nobody(), proven_in(look("analyst"), cast.analyst)
    asked = analyst.post(
        reverse("access-change"), {"do": "restrict-case", "case": str(case.pk), "reason": WHY}
    ).content.decode()
    assert "Keep everybody else out of this case?" in asked
    assert WHY in asked
    assert look("tier2").get(reverse("case", args=[case.pk])).status_code == 200
    assert confirm(analyst, "restrict-case", case) == 302
    assert look("tier2").get(reverse("case", args=[case.pk])).status_code == 404
    assert "restricted" in page(analyst, case)
    assert confirm(analyst, "name-on-case", case, person="tier2") == 302
    assert "Tier2" in page(analyst, case)
    assert look("tier2").get(reverse("case", args=[case.pk])).status_code == 200
    assert look("netowner").get(reverse("case", args=[case.pk])).status_code == 404
    assert confirm(analyst, "release-case", case) == 302
    assert look("netowner").get(reverse("case", args=[case.pk])).status_code == 200


def test_naming_somebody_takes_a_proof_and_keeping_others_out_takes_none(cast: Cast, look: Look) -> None:
    case, analyst = case_of_nobody(), look("analyst")
    assert confirm(analyst, "restrict-case", case) == 302
    assert confirm(analyst, "name-on-case", case, person="tier2") == 401
    assert look("tier2").get(reverse("case", args=[case.pk])).status_code == 404


def test_whom_a_case_is_about_sees_nothing_of_it(cast: Cast, look: Look) -> None:
    case, analyst = case_of_nobody(), look("analyst")
    assert confirm(analyst, "name-subject", case, person="tier2") == 302
    assert "Not about them" in page(analyst, case)
    assert look("tier2").get(reverse("case", args=[case.pk])).status_code == 404
    assert confirm(analyst, "clear-subject", case, person="tier2") == 302
    assert look("tier2").get(reverse("case", args=[case.pk])).status_code == 200


def test_who_does_not_work_on_cases_is_offered_nothing_and_refused(cast: Cast, look: Look) -> None:
    case = case_of_nobody()
    assert "Who may see it" not in page(look("compliance"), case)
    for do in ("restrict-case", "release-case", "name-on-case", "name-subject", "clear-subject"):
        assert confirm(look("compliance"), do, case, person="tier2") == 403
        assert confirm(look("outsider"), do, case, person="tier2") in {403, 404}
    case.refresh_from_db()
    assert not case.is_restricted


def test_a_case_that_is_none_is_not_there(cast: Cast, look: Look) -> None:
    posted = {"do": "restrict-case", "case": "none", "reason": WHY}
    assert look("analyst").post(reverse("access-change"), posted).status_code == 404
