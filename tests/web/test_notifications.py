"""The pages of notifications: one's own rules and services, and what an administrator shares and sees."""

from __future__ import annotations

from datetime import time
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from playbooks.domain.notices import Medium, NoticeKind, When
from playbooks.domain.statuses import NoticeStatus
from playbooks.models import Notice, NoticeChannel, NoticeRules, Principal
from tests.cast import Cast
from tests.web.conftest import Look

# Apprise loads a module that Python is going to drop, the first time that it is used.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

FORM = {
    "digest": "daily",
    "digest_minutes": "60",
    "digest_hour": "8",
    "quiet_from": "22:00",
    "quiet_until": "07:00",
    "zone": "Europe/Vienna",
    "request_opened.email": "never",
    "request_opened.apprise": "at_once",
}
OWN = {"name": "Phone", "address": "ntfys://chat.example.org/s3cret-topic"}


@pytest.fixture(autouse=True)
def _hosts(settings: Any) -> None:
    settings.NOTICE_HOSTS = ["chat.example.org"]


def text_of(answer: Any) -> str:
    return str(answer.content.decode())


def test_the_form_sets_all_of_ones_own_rules(cast: Cast, look: Look) -> None:
    answer = look("tier2").post(reverse("notifications"), FORM, follow=True)
    row = NoticeRules.objects.get()
    assert (row.person, row.digest_hour, row.quiet_from, row.zone) == (
        cast.tier2,
        8,
        time(22),
        "Europe/Vienna",
    )
    assert row.chosen[NoticeKind.REQUEST_OPENED] == {Medium.EMAIL: When.NEVER, Medium.APPRISE: When.AT_ONCE}
    assert "From now on you are told so." in text_of(answer)
    assert 'value="22:00"' in text_of(answer)


@pytest.mark.parametrize(
    "changes",
    [
        {"quiet_until": ""},
        {"zone": "Middle/Earth"},
        {"digest_minutes": "1"},
        {"digest_minutes": "x"},
        {"digest_hour": "24"},
        {"quiet_from": "late"},
        {"request_opened.email": "approve"},
    ],
)
def test_rules_that_cannot_be_are_said_and_set_nothing(
    cast: Cast, look: Look, changes: dict[str, str]
) -> None:
    answer = look("tier2").post(reverse("notifications"), FORM | changes)
    assert (answer.status_code, NoticeRules.objects.exists()) == (400, False)
    assert "Nothing was changed" in text_of(answer)


def test_a_service_is_added_tested_and_removed_and_its_address_never_shown(cast: Cast, look: Look) -> None:
    browser = look("tier2")
    added = browser.post(reverse("notice-service"), OWN, follow=True)
    row = NoticeChannel.objects.get()
    assert "Phone is added" in text_of(added)
    assert "s3cret" not in text_of(added)
    browser.post(reverse("notice-channel-test", args=[row.pk]))
    assert Notice.objects.get().kind == NoticeKind.TEST
    browser.post(reverse("notice-channel-remove", args=[row.pk]))
    row.refresh_from_db()
    assert (row.removed_at is not None, bytes(row.sealed)) == (True, b"")
    refused = browser.post(reverse("notice-service"), {"address": "json://10.0.0.1/s3cret"})
    assert (refused.status_code, "s3cret" in text_of(refused)) == (400, False)


def test_a_channel_of_somebody_else_is_not_there(cast: Cast, look: Look) -> None:
    look("tier2").post(reverse("notice-service"), OWN)
    row = NoticeChannel.objects.get()
    for act in ("test", "remove"):
        assert look("admin").post(reverse(f"notice-channel-{act}", args=[row.pk])).status_code == 404


def test_without_a_mail_server_the_page_says_that_nothing_comes_by_mail(
    cast: Cast, look: Look, settings: Any
) -> None:
    browser, address = look("tier2"), reverse("notifications")
    assert "No mail server is configured" in text_of(browser.get(address))
    assert browser.post(reverse("notice-mail-test")).status_code == 400
    settings.EMAIL_HOST = "mail.example.org"
    assert "There is no mail address of yours" in text_of(browser.get(address))
    Principal.objects.filter(pk=cast.tier2.pk).update(email="tier2@example.org")
    assert "tier2@example.org" in text_of(browser.get(address))
    assert "on its way" in text_of(browser.post(reverse("notice-mail-test"), follow=True))


def test_an_administrator_shares_channels_and_sees_what_did_not_arrive(cast: Cast, look: Look) -> None:
    browser = look("admin")
    given = {"role": "tier-2", "name": "", "where": "soc@example.org", "kinds": ["run_stuck"]}
    assert "Mail is added" in text_of(browser.post(reverse("notice-channels"), given, follow=True))
    assert browser.post(reverse("notice-channels"), {**given, "kinds": []}).status_code == 400
    now = timezone.now()
    Notice.objects.create(
        channel=NoticeChannel.objects.get(),
        medium="email",
        key="1",
        kind="run_stuck",
        title="A step is unknown: <b>run</b>",
        path="/runs/",
        status=NoticeStatus.GIVEN_UP,
        tries=8,
        created_at=now,
        due_at=now,
        ended_at=now,
        sentence="The mail server refused the address.",
    )
    text = text_of(browser.get(reverse("notice-channels"), {"show": "given_up"}))
    assert text.count("The mail server refused the address.") == 2
    assert "A step is unknown: &lt;b&gt;run" in text
    assert "1 given up" in text


def test_the_page_is_linked_from_the_account(cast: Cast, look: Look) -> None:
    assert f'href="{reverse("notifications")}"' in text_of(look("analyst").get(reverse("inbox")))
