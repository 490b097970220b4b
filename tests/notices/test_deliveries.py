"""How notices go out: at least once, each for itself, with growing pauses, and given up where everybody sees it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from playbooks import executor
from playbooks.domain.notices import NoticeKind
from playbooks.domain.statuses import NoticeStatus
from playbooks.models import Notice, NoticeChannel, unseal
from playbooks.models.audit import AuditBody, AuditEntry
from playbooks.operations import bell, deliveries, notice_rules
from playbooks.operations.refusals import Invalid, Missing, Refused
from tests.cast import Cast
from tests.connectors.conftest import FarSide
from tests.databases import any_time
from tests.postbox import Postbox

__all__ = ["any_time"]

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.usefixtures("any_time"),
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
]


def a_mail(cast: Cast, who: str = "tier2") -> Notice:
    notice_rules.try_mailbox(caller=cast.caller(who))
    return Notice.objects.order_by("-created_at", "-pk")[0]


def service(cast: Cast, chat: FarSide, path: str = "s3cret") -> NoticeChannel:
    address = f"{chat.url.replace('http://', 'json://')}/{path}"
    return notice_rules.add_service(caller=cast.caller("tier2"), name="", address=address)


def refreshed(notice: Notice) -> Notice:
    notice.refresh_from_db()
    return notice


def test_what_fails_is_tried_again_after_growing_pauses_and_then_arrives(cast: Cast, mailed: Postbox) -> None:
    mailed.says = "451 later"
    notice, now, pauses = a_mail(cast), timezone.now(), []
    for _ in range(4):
        executor.deliver(now=now)
        pauses.append(refreshed(notice).due_at - now)
        now = notice.due_at
    assert pauses == [timedelta(minutes=2**number) for number in range(4)]
    assert (notice.status, notice.sentence) == ("queued", "The mail server did not take the mail (451).")
    mailed.says = "250 OK"
    executor.deliver(now=now)
    assert (refreshed(notice).status, len(mailed.mails)) == (NoticeStatus.SENT, 1)


def test_it_is_given_up_in_the_end_with_one_entry_for_the_address(cast: Cast, mailed: Postbox) -> None:
    mailed.says = "451 later"
    notices, now = [a_mail(cast), a_mail(cast)], timezone.now()
    for _ in range(60):
        executor.deliver(now=now)
        now += timedelta(hours=1)
    assert {refreshed(each).status for each in notices} == {NoticeStatus.GIVEN_UP}
    assert max(each.tries for each in notices) <= deliveries.MOST_TRIES
    (entry,) = AuditEntry.objects.filter(verb="notice.undelivered")
    assert (entry.subject_id, entry.outcome) == (str(cast.tier2.pk), "failed")
    mailed.says = "250 OK"
    a_mail(cast)
    executor.deliver(now=now)
    mailed.refuses = frozenset({"tier2@example.org"})
    a_mail(cast)
    executor.deliver(now=now + timedelta(hours=1))
    assert AuditEntry.objects.filter(verb="notice.undelivered").count() == 2


def test_an_address_that_is_refused_for_good_is_not_tried_again_and_keeps_nobody_else(
    cast: Cast, mailed: Postbox
) -> None:
    mailed.refuses = frozenset({"tier2@example.org"})
    refused, other = a_mail(cast), a_mail(cast, "netowner")
    executor.deliver()
    assert (refreshed(refused).status, refreshed(other).status) == ("given_up", "sent")
    assert refused.sentence == "The mail server refused the address."


def test_a_server_that_is_down_costs_one_try_for_all_that_is_to_go_there(
    cast: Cast, mailed: Postbox, settings: Any, chat: FarSide
) -> None:
    settings.EMAIL_PORT = 9  # nobody listens
    mails = [a_mail(cast, who) for who in ("tier2", "netowner", "analyst")]
    notice_rules.try_channel(service(cast, chat).pk, caller=cast.caller("tier2"))
    executor.deliver()
    assert [refreshed(each).tries for each in mails] == [1, 0, 0]
    assert executor.deliver() == 0
    assert len(chat.requests) == 1


def test_a_sender_that_died_is_followed_by_another_with_the_same_message(cast: Cast, mailed: Postbox) -> None:
    notice, now = a_mail(cast), timezone.now()
    (taken,) = deliveries.take(now)
    assert executor.deliver(now=now) == 0  # it is being sent
    executor.deliver(now=now + deliveries.LEASE)
    assert refreshed(notice).status == NoticeStatus.SENT
    deliveries.sent(taken, now=now + deliveries.LEASE)  # the first one was only slow
    deliveries.failed(taken, now=now, sentence="?", is_permanent=True, is_everywhere=False)
    assert refreshed(notice).status == NoticeStatus.SENT
    assert not AuditEntry.objects.filter(verb="notice.undelivered").exists()


def test_a_repeat_of_a_mail_has_the_same_id(cast: Cast, mailed: Postbox) -> None:
    notice = a_mail(cast)
    for _ in range(2):
        Notice.objects.filter(pk=notice.pk).update(status="queued", leased_until=None)
        executor.deliver()
    first, second = (mail["Message-ID"] for mail in mailed.mails)
    assert first == second


def test_only_so_many_are_being_sent_at_once(cast: Cast, mailed: Postbox) -> None:
    for _ in range(3 * deliveries.AT_ONCE):
        a_mail(cast)
    now = timezone.now()
    taken = [len(deliveries.take(now)) for _ in range(4)]
    assert taken == [deliveries.AT_ONCE, deliveries.AT_ONCE, 0, 0]


def test_the_sweep_finds_what_no_bell_told_of(
    cast: Cast, mailed: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[str] = []
    monkeypatch.setattr(bell, "send", lambda task, *_: rung.append(task))
    executor.sweep()
    a_mail(cast)
    rung.clear()
    executor.sweep()
    executor.deliver()
    executor.sweep()
    assert rung == ["playbooks.deliver"]


def test_the_address_of_a_service_is_sealed_and_told_to_nobody(cast: Cast, chat: FarSide) -> None:
    chat.status = 500
    row = service(cast, chat)
    notice_rules.try_channel(row.pk, caller=cast.caller("tier2"))
    executor.deliver()
    assert unseal(row.sealed)["address"].endswith("/s3cret")
    assert b"s3cret" not in bytes(row.sealed)
    assert all(b"s3cret" not in bytes(each.body) for each in AuditBody.objects.all())
    notice = Notice.objects.get()
    assert notice.tries == 1
    assert "s3cret" not in notice.sentence
    notice_rules.remove(row.pk, caller=cast.caller("tier2"))
    row.refresh_from_db()
    assert bytes(row.sealed) == b""


@pytest.mark.parametrize(
    "address",
    [
        "json://127.0.0.1:9/",  # no host that is named
        "json://169.254.169.254/latest",
        "mailto://user:pass@example.org?smtp=127.0.0.1",
        "syslog://",
        "irc://127.0.0.1/x",
        "nonsense",
        "slack://a b",
        "",
    ],
)
def test_a_person_cannot_make_the_server_call_where_it_should_not(cast: Cast, address: str) -> None:
    with pytest.raises(Invalid):
        notice_rules.add_service(caller=cast.caller("tier2"), name="", address=address)
    assert not NoticeChannel.objects.exists()


def test_a_host_that_is_named_is_still_held_to_the_egress_rules(
    cast: Cast, chat: FarSide, settings: Any
) -> None:
    settings.NOTICE_NETWORKS = []
    notice_rules.try_channel(service(cast, chat).pk, caller=cast.caller("tier2"))
    executor.deliver()
    notice = Notice.objects.get()
    assert (notice.status, chat.requests) == (NoticeStatus.GIVEN_UP, [])
    assert "not a public address" in notice.sentence


def test_services_of_others_are_not_there_and_shared_ones_need_the_permission(
    cast: Cast, chat: FarSide
) -> None:
    own = service(cast, chat)
    shared = notice_rules.share(
        caller=cast.caller("admin"),
        name="SOC",
        role="tier-2",
        kinds=[NoticeKind.RUN_STUCK],
        mailbox="soc@example.org",
    )
    for channel, who in ((own, "admin"), (own, "outsider"), (shared, "tier2")):
        for act in (notice_rules.remove, notice_rules.try_channel):
            with pytest.raises(Missing):
                act(channel.pk, caller=cast.caller(who))
    with pytest.raises(Refused):
        notice_rules.share(
            caller=cast.caller("tier2"),
            name="SOC",
            role="tier-2",
            kinds=[NoticeKind.RUN_STUCK],
            mailbox="soc@example.org",
        )


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({"role": "none"}, "/role"),
        ({"kinds": []}, "/kinds"),
        ({"kinds": [NoticeKind.TEST]}, "/kinds"),
        ({"mailbox": ""}, "/address"),
        ({"address": "slack://x"}, "/address"),
        ({"mailbox": "a@example.org\nBcc: all@example.org"}, "/mailbox"),
    ],
)
def test_a_shared_channel_that_cannot_be_is_refused_with_its_field(
    cast: Cast, columns: dict[str, Any], field: str
) -> None:
    given = {
        "name": "SOC",
        "role": "tier-2",
        "kinds": [NoticeKind.RUN_STUCK],
        "mailbox": "soc@example.org",
        **columns,
    }
    with pytest.raises(Invalid) as refusal:
        notice_rules.share(caller=cast.caller("admin"), **given)
    assert refusal.value.errors[0][0] == field


def test_changes_of_who_is_told_are_in_the_log(cast: Cast, chat: FarSide) -> None:
    from playbooks.domain.notices import Rules

    notice_rules.set_rules(Rules(digest_minutes=30), caller=cast.caller("tier2"))
    notice_rules.remove(service(cast, chat).pk, caller=cast.caller("tier2"))
    verbs = (
        AuditEntry.objects.filter(verb__startswith="notice.").order_by("pk").values_list("verb", flat=True)
    )
    assert list(verbs) == ["notice.rules_changed", "notice.channel_added", "notice.channel_removed"]
