"""Sessions and keys: everybody sees and ends their own; an administrator ends those of others and sees no secret."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from playbooks.audit import reading
from playbooks.domain.verbs import Verb
from playbooks.models import Principal, PrincipalKind, Session, Token
from playbooks.operations import people
from playbooks.operations.caller import SYSTEM
from tests.api.callers import bearer
from tests.cast import Cast
from tests.proving import proven_in

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def browser_of(person: Principal, header: str = FIREFOX) -> Client:
    browser = Client(HTTP_USER_AGENT=header, REMOTE_ADDR="198.51.100.7")
    browser.post("/accounts/login/", {"login": person.username, "password": "only-for-tests"})
    return browser


def proven_browser_of(person: Principal) -> Client:
    return proven_in(browser_of(person), person)


def is_signed_in(browser: Client) -> bool:
    return browser.get(reverse("inbox")).status_code == 200


def robot_of(owner: Principal) -> Principal:
    return people.create(
        "robot", actor=SYSTEM, name="Robot", password=None, kind=PrincipalKind.SERVICE, owner=owner
    )


def make_token(browser: Client, **form: object) -> str:
    """The text of the token that was made, empty where none was."""
    page = browser.post(reverse("token-issue"), {"scope": ["read"], "days": "7", **form}).content.decode()
    found = re.search(r'<code class="secret">(csn_[^<]+)</code>', page)
    return found[1] if found else ""


def test_a_session_says_where_it_was_signed_in_and_never_its_key(cast: Cast) -> None:
    browser = browser_of(cast.analyst)
    page = browser.get(reverse("keys")).content.decode()
    assert "Firefox on Linux" in page
    assert "198.51.100.7" in page
    assert "this one" in page
    row = Session.objects.get(principal=cast.analyst)
    assert row.session_key not in page
    assert row.session_key == browser.cookies["sessionid"].value


def test_a_session_that_is_ended_is_over_at_the_next_request(cast: Cast) -> None:
    here, there = browser_of(cast.analyst), browser_of(cast.analyst, "curl/8")
    handle = Session.objects.get(principal=cast.analyst, browser="curl/8").handle
    assert here.post(reverse("session-end", args=[handle])).status_code == 302
    assert (is_signed_in(here), is_signed_in(there)) == (True, False)
    entry = reading.entries(verb=Verb.SESSION_ENDED).get()
    assert (entry.actor_id, entry.subject_id) == (str(cast.analyst.pk), str(cast.analyst.pk))


def test_all_others_are_ended_at_once(cast: Cast) -> None:
    here, *others = (browser_of(cast.analyst) for _ in range(3))
    bystander = browser_of(cast.tier2)
    here.post(reverse("sessions-end-others"))
    assert is_signed_in(here)
    assert is_signed_in(bystander)
    assert not any(is_signed_in(each) for each in others)


def test_nobody_ends_the_session_of_another_but_an_administrator(cast: Cast) -> None:
    theirs = browser_of(cast.tier2)
    handle = Session.objects.get(principal=cast.tier2).handle
    analyst, admin = browser_of(cast.analyst), browser_of(cast.admin)
    assert analyst.post(reverse("session-end", args=[handle])).status_code == 404
    assert analyst.post(reverse("person-sessions-end", args=["tier2"])).status_code == 403
    assert is_signed_in(theirs)
    assert admin.post(reverse("person-sessions-end", args=["tier2"])).status_code == 302
    assert not is_signed_in(theirs)
    entry = reading.entries(verb=Verb.SESSION_ENDED).get()
    assert (entry.actor_id, entry.subject_id) == (str(cast.admin.pk), str(cast.tier2.pk))


@pytest.mark.parametrize("who", ["analyst", "publisher", "compliance", "outsider"])
def test_only_an_administrator_looks_at_how_others_sign_in(cast: Cast, who: str) -> None:
    browser = browser_of(getattr(cast, who))
    assert browser.get(reverse("person", args=["tier2"])).status_code == 403
    assert (
        browser.post(reverse("person-link", args=["tier2"]), {"same_person_as": "admin"}).status_code == 403
    )
    form = {"provider": "oidc", "subject": "x"}
    assert browser.post(reverse("person-identity", args=["tier2"]), form).status_code == 403


@pytest.mark.parametrize("name", ["person", "person-sessions-end", "person-link", "person-identity"])
def test_nobody_learns_from_a_refusal_who_exists(cast: Cast, name: str) -> None:
    browser = browser_of(cast.outsider)
    send = browser.get if name == "person" else browser.post
    assert [send(reverse(name, args=[each])).status_code for each in ("tier2", "nobody")] == [403, 403]


def test_deactivation_ends_sessions_and_tokens_at_once_and_those_of_what_one_answers_for(cast: Cast) -> None:
    browser, robot = proven_browser_of(cast.analyst), robot_of(cast.analyst)
    tokens = [make_token(browser), make_token(browser, owner="robot")]
    assert all(bearer(each).get("tokens/").status_code in {200, 403} for each in tokens)
    people.deactivate(cast.analyst, actor=SYSTEM)
    assert not is_signed_in(browser)
    assert not Session.objects.filter(principal=cast.analyst).exists()
    assert [bearer(each).get("tokens/").status_code for each in tokens] == [401, 401]
    assert not Token.objects.filter(revoked_at=None).exists()
    assert robot.is_active


def test_a_token_made_for_a_service_account_stops_with_its_owner_even_if_nobody_revoked_it(
    cast: Cast,
) -> None:
    robot = robot_of(cast.analyst)
    text = people.issue_token(robot, actor=SYSTEM, scopes=["read"])
    Principal.objects.filter(pk=cast.analyst.pk).update(is_active=False)
    assert bearer(text).get("tokens/").status_code == 401


def test_a_token_is_shown_once_works_and_is_taken_back(cast: Cast) -> None:
    browser = proven_browser_of(cast.analyst)
    text = make_token(browser)
    assert bearer(text).get("runs/").status_code == 200
    page = browser.get(reverse("keys")).content.decode()
    assert text not in page
    assert text[:10] in page
    row = Token.objects.get()
    assert row.created_by == cast.analyst
    browser.post(reverse("token-revoke", args=[row.pk]))
    assert bearer(text).get("runs/").status_code == 401
    assert browser.post(reverse("token-revoke", args=[row.pk])).status_code == 409
    for verb in (Verb.TOKEN_ISSUED, Verb.TOKEN_REVOKED):
        assert reading.entries(verb=verb).get().actor_id == str(cast.analyst.pk)


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"scope": []}, 400),
        ({"scope": ["approve"]}, 400),
        ({"days": "0"}, 400),
        ({"days": "366"}, 400),
        ({"days": "for ever"}, 400),
        ({"owner": "nobody"}, 400),
        ({"owner": "tier2"}, 403),
        ({"owner": "robot"}, 403),
    ],
)
def test_a_token_that_may_not_be_is_not_made(cast: Cast, form: dict[str, object], status: int) -> None:
    robot_of(cast.author)
    browser = proven_browser_of(cast.analyst)
    answer = browser.post(reverse("token-issue"), {"scope": ["read"], "days": "7", **form})
    assert answer.status_code == status
    assert not Token.objects.exists()


def test_an_administrator_makes_no_token_in_the_name_of_a_person(cast: Cast) -> None:
    """A request by a minted token would count as that person's."""
    admin = proven_browser_of(cast.admin)
    assert make_token(admin, owner="tier2") == ""
    robot_of(cast.analyst)
    assert make_token(admin, owner="robot") != ""
    (entry,) = reading.entries(verb=Verb.ACTION_REFUSED)
    body = reading.body_of(entry.pk)
    assert body is not None
    assert body.facts["rule"] == "token_for_another"


def test_nobody_revokes_the_token_of_another_but_an_administrator(cast: Cast) -> None:
    text = make_token(proven_browser_of(cast.tier2))
    row = Token.objects.get()
    assert browser_of(cast.analyst).post(reverse("token-revoke", args=[row.pk])).status_code == 404
    assert bearer(text).get("runs/").status_code == 200
    assert browser_of(cast.admin).post(reverse("token-revoke", args=[row.pk])).status_code == 302


def test_when_it_was_last_seen_is_written_down_to_the_minute(cast: Cast) -> None:
    browser = browser_of(cast.analyst)
    before = timezone.now() - timedelta(hours=1)
    Session.objects.update(last_seen_at=before)
    browser.get(reverse("keys"))
    seen = Session.objects.get(principal=cast.analyst).last_seen_at
    assert seen > before
    browser.get(reverse("keys"))
    assert Session.objects.get(principal=cast.analyst).last_seen_at == seen


def test_a_role_that_is_taken_is_gone_in_a_session_that_stays_open(cast: Cast) -> None:
    admin = browser_of(cast.admin)
    assert admin.get(reverse("person", args=["tier2"])).status_code == 200
    people.revoke(cast.admin, "administrator", actor=SYSTEM)
    assert admin.get(reverse("person", args=["tier2"])).status_code == 403


def test_people_are_listed_in_the_same_number_of_queries_however_many(cast: Cast) -> None:
    browser = browser_of(cast.admin)
    browser.get(reverse("people"))
    with CaptureQueriesContext(connection) as few:
        browser.get(reverse("people"))
    for number in range(12):
        people.create(f"new-{number}", actor=SYSTEM, name=f"New {number}", password=None)
    with CaptureQueriesContext(connection) as many:
        assert b"new-3" in browser.get(reverse("people")).content
    assert len(many) == len(few)
