"""Every page, for everybody of the cast: who gets it, who is turned away, and what every page carries."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from playbooks import executor
from playbooks.audit import reading
from playbooks.domain.verbs import Verb
from playbooks.models import Case, Connection
from playbooks.web.urls import urlpatterns
from tests.cast import ROLES, start
from tests.web.conftest import Look, World, post_alert

Where = Callable[[World], str]

LISTS = ("inbox", "alerts", "cases", "runs", "playbooks")
PAGES: dict[str, Where] = {
    **{name: (lambda world, name=name: reverse(name)) for name in LISTS},
    "asked": lambda world: reverse("inbox") + "?show=asked",
    "all": lambda world: reverse("inbox") + "?show=all",
    "owed": lambda world: reverse("inbox") + "?show=owed",
    "alert": lambda world: reverse("alert", args=[world.alert.pk]),
    "case": lambda world: reverse("case", args=[world.run.case_id]),
    "run": lambda world: reverse("run", args=[world.run.pk]),
    "run-live": lambda world: reverse("run-live", args=[world.run.pk]),
    "run-rollback": lambda world: reverse("run-rollback", args=[world.run.pk]),
    "approval": lambda world: reverse("approval", args=[world.request.pk]),
    "approval-deciders": lambda world: reverse("approval-deciders", args=[world.request.pk]),
    "playbook": lambda world: reverse("playbook", args=["block-attacker"]),
    "playbook-version": lambda world: reverse("playbook-version", args=["block-attacker", 1]),
    "start-run": lambda world: reverse("start-run", args=["block-attacker"]),
    "new-playbook": lambda world: reverse("new-playbook"),
    "questions": lambda world: reverse("inbox") + "?show=questions",
    "rotas": lambda world: reverse("rotas"),
    "policies": lambda world: reverse("policies"),
    "policy-explain": lambda world: reverse("policy-explain"),
    "never-touch": lambda world: reverse("never-touch"),
    "new-policy": lambda world: reverse("new-policy"),
    "delegations": lambda world: reverse("delegations"),
    "holds": lambda world: reverse("holds"),
    "expiries": lambda world: reverse("expiries"),
    "break-glass": lambda world: reverse("break-glass", args=[world.request.pk]),
    "reviews": lambda world: reverse("reviews"),
    "step-up": lambda world: reverse("step-up"),
    "profile": lambda world: reverse("profile"),
    "notifications": lambda world: reverse("notifications"),
    "notice-channels": lambda world: reverse("notice-channels"),
    "access": lambda world: reverse("access"),
    "access-roles": lambda world: reverse("access-roles"),
    "access-teams": lambda world: reverse("access-teams"),
    "access-rights": lambda world: reverse("access-rights"),
    "access-person": lambda world: reverse("access-person", args=["tier2"]),
    "access-role": lambda world: reverse("access-role", args=["tier-2"]),
    "audit": lambda world: reverse("audit"),
    "audit-of-run": lambda world: f"{reverse('audit')}?run={world.run.pk}",
    "audit-entry": lambda world: reverse("audit-entry", args=[reading.entries()[0].pk]),
    "audit-export": lambda world: reverse("audit-export"),
}
# Where somebody with a role gets something else than 200.
TURNED_AWAY = {
    "break-glass": {"analyst", "tier2", "netowner", "author", "publisher", "compliance", "admin"},
    "notice-channels": {"analyst", "tier2", "netowner", "author", "publisher", "compliance"},
    "start-run": {"netowner", "author", "publisher", "compliance", "admin"},
    "new-playbook": {"analyst", "tier2", "netowner", "publisher", "compliance", "admin"},
    "new-policy": {"analyst", "tier2", "netowner", "publisher", "compliance", "admin"},
    "audit": {"analyst", "tier2", "netowner", "author", "publisher"},
    "audit-of-run": {"analyst", "tier2", "netowner", "author", "publisher"},
    "audit-entry": {"analyst", "tier2", "netowner", "author", "publisher"},
    "audit-export": {"analyst", "tier2", "netowner", "author", "publisher", "admin"},
}
OPEN_TO_OUTSIDERS = {*LISTS, "asked", "all", "owed", "questions", "step-up"}
FORBIDDEN_TO_OUTSIDERS = {
    "new-playbook",
    "rotas",
    "new-policy",
    "policies",
    "policy-explain",
    "never-touch",
    "delegations",
    "holds",
    "expiries",
    "break-glass",
    "reviews",
    "profile",
    "notifications",
    "notice-channels",
    *("access", "access-roles", "access-teams", "access-rights", "access-person", "access-role"),
    "audit",
    "audit-of-run",
    "audit-entry",
    "audit-export",
}


def expected(page: str, person: str) -> int:
    if person == "outsider":
        return 200 if page in OPEN_TO_OUTSIDERS else 403 if page in FORBIDDEN_TO_OUTSIDERS else 404
    return 403 if person in TURNED_AWAY.get(page, set()) else 200


@pytest.mark.parametrize("person", ROLES)
def test_each_page_opens_for_those_who_may_see_it_and_for_nobody_else(
    world: World, look: Look, person: str
) -> None:
    browser = look(person)
    answers = {page: browser.get(where(world)).status_code for page, where in PAGES.items()}
    assert answers == {page: expected(page, person) for page in PAGES}


@pytest.mark.parametrize("is_superuser", [False, True])
def test_the_outsider_sees_nothing_even_as_a_superuser(world: World, look: Look, is_superuser: bool) -> None:
    type(world.cast.outsider).objects.filter(pk=world.cast.outsider.pk).update(is_superuser=is_superuser)
    browser = look("outsider")
    for page in OPEN_TO_OUTSIDERS:
        text = browser.get(PAGES[page](world)).content.decode()
        assert "203.0.113.9" not in text
        assert "Block an attacking address" not in text
        assert "Certificate" not in text
    assert browser.get(PAGES["approval"](world)).status_code == 404


def test_a_turned_away_reader_is_told_why(world: World, look: Look) -> None:
    answer = look("analyst").get(reverse("audit"))
    assert answer.status_code == 403
    assert "You may not read the audit log." in answer.content.decode()


def test_nobody_gets_any_page_without_signing_in(world: World) -> None:
    arguments = {
        "pk": world.run.pk,
        "slug": "block-attacker",
        "number": 1,
        "step": "block",
        "username": "tier2",
        "handle": world.run.pk,
        "secret": "secret",
    }
    for pattern in urlpatterns:
        wanted = {name: arguments[name] for name in pattern.pattern.converters}
        if pattern.name == "audit-entry":
            wanted = {"pk": 1}
        if pattern.name in {"become", "cheat", "first-administrator"}:
            continue  # unknown outside the demo, and once somebody is there
        address = reverse(str(pattern.name), kwargs=wanted)
        for answer in (Client().get(address), Client().post(address)):
            assert answer.status_code in {302, 405}, address
            if answer.status_code == 302:
                assert answer["Location"].startswith("/accounts/login/")


def test_every_page_forbids_scripts_and_styles_from_elsewhere(world: World, look: Look) -> None:
    browser = look("compliance")
    for where in PAGES.values():
        policy = browser.get(where(world))["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_no_page_changes_anything_when_it_is_only_read(world: World, look: Look) -> None:
    """What is refused is recorded, and that is all."""

    def done() -> int:
        return reading.entries().exclude(verb=Verb.ACTION_REFUSED).count()

    for person in ("analyst", "tier2", "admin"):
        browser = look(person)
        before = done(), world.request.status
        for where in PAGES.values():
            browser.get(where(world))
            browser.get(f"{where(world)}?verdict=approve&digest={world.request.digest}&move=retire")
        world.request.refresh_from_db()
        assert (done(), world.request.status) == before


@pytest.mark.parametrize("name", ["decide", "run-cancel"])
def test_a_write_cannot_be_asked_for_by_get(world: World, look: Look, name: str) -> None:
    pk = world.request.pk if name == "decide" else world.run.pk
    answer = look("tier2").get(
        reverse(name, args=[pk]), {"verdict": "approve", "digest": world.request.digest}
    )
    assert answer.status_code == 405


def count_queries(browser: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(address).status_code == 200
    return len(queries)


def test_the_queries_of_a_page_do_not_grow_with_its_rows(world: World, look: Look) -> None:
    addresses = [PAGES[page](world) for page in (*LISTS, "asked", "all", "owed", "case", "audit")]
    browsers = {address: look("tier2") for address in addresses[:-1]} | {addresses[-1]: look("compliance")}
    first = {address: count_queries(browser, address) for address, browser in browsers.items()}
    for index in range(20):
        post_alert(f"Another one {index}", observables={"ip": [f"198.51.100.{index}"]})
        executor.drive(start(world.cast).pk, worker="test")
    again = {address: count_queries(browser, address) for address, browser in browsers.items()}
    assert again == first


def test_what_an_attacker_writes_is_shown_and_never_run(world: World, look: Look) -> None:
    evil = "<script>alert(1)</script>"
    alert = post_alert(evil, description=evil, category=evil)
    browser = look("analyst")
    case = Case.objects.get(pk=alert.case_id)
    for address in (
        reverse("alerts"),
        reverse("alert", args=[alert.pk]),
        reverse("cases"),
        reverse("case", args=[case.pk]),
    ):
        text = browser.get(address).content.decode()
        assert evil not in text
        assert "&lt;script&gt;" in text


def test_a_comment_is_escaped_where_it_is_shown(world: World, look: Look) -> None:
    evil = "<img src=x onerror=alert(1)>"
    form = {"verdict": "approve", "digest": world.request.digest, "comment": evil}
    look("tier2").post(reverse("decide", args=[world.request.pk]), form)
    text = look("netowner").get(reverse("approval", args=[world.request.pk])).content.decode()
    assert evil not in text
    assert "&lt;img src=x" in text


def test_search_and_filters_take_any_text(world: World, look: Look) -> None:
    browser = look("compliance")
    for name in ("alerts", "cases", "runs", "playbooks", "audit"):
        for query in (
            "q=%00'%22%25_",
            "status=nonsense",
            "page=0",
            "page=99999999999",
            "page=-1",
            "page=x",
            "run=x",
        ):
            assert browser.get(f"{reverse(name)}?{query}").status_code == 200


def test_a_search_finds_an_alert_by_its_observable(world: World, look: Look) -> None:
    post_alert("Beacon", observables={"ip": ["198.51.100.99"]})
    text = look("analyst").get(reverse("alerts"), {"q": "198.51.100.99"}).content.decode()
    assert "Beacon" in text
    assert "Certificate expires" not in text


def test_a_secret_of_a_connection_is_on_no_page(world: World, look: Look) -> None:
    assert Connection.objects.get(name="soc-channel").sealed
    browser = look("compliance")
    for where in PAGES.values():
        assert b"json://127.0.0.1" not in browser.get(where(world)).content
