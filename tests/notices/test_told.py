"""Who is told what, and when: by a real mail server and a real receiver of messages."""

from __future__ import annotations

import json
from collections import Counter
from datetime import time, timedelta
from email.message import EmailMessage

import pytest
from django.urls import reverse
from django.utils import timezone

from playbooks import executor
from playbooks.domain.notices import Medium, NoticeKind, Rules, When
from playbooks.domain.statuses import NoticeStatus, Verdict
from playbooks.domain.stepup import Purpose, need_of
from playbooks.models import ApprovalRequest, Connection, Notice, Principal, Run
from playbooks.operations import approvals, break_glass, notice_rules, people, stopping
from playbooks.operations.caller import SYSTEM
from playbooks.operations.telling import request_path, review_path, run_path
from tests.cast import BLOCK, Cast, connect, publish, start
from tests.connectors.conftest import FarSide
from tests.databases import any_time
from tests.postbox import Postbox
from tests.proving import prove

__all__ = ["any_time"]

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.usefixtures("any_time"),
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
]

DUE = timedelta(minutes=30)  # of the cast's gate


def asked(cast: Cast, **inputs: object) -> ApprovalRequest:
    run = start(cast, **inputs)
    executor.drive(run.pk, worker="test")
    return run.requests.get()


def decide(request: ApprovalRequest, cast: Cast, who: str, verdict: Verdict = Verdict.APPROVE) -> None:
    approvals.decide(
        request.pk, caller=cast.caller(who), verdict=verdict, shown_digest=request.digest, comment="Looked."
    )


def told(mailed: Postbox, *, after: timedelta = timedelta()) -> Counter[tuple[str, str]]:
    """(to, first word of the subject) of what the server has once all was sent that is due then."""
    while executor.deliver(now=timezone.now() + after):
        pass
    return Counter((mail["To"].partition("@")[0], _head(mail)) for mail in mailed.mails)


def _head(mail: EmailMessage) -> str:
    return str(mail["Subject"]).removeprefix("[Countersign] ").partition(":")[0]


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def test_those_who_could_decide_are_told_and_nobody_else(ready: Cast, mailed: Postbox) -> None:
    asked(ready)
    assert told(mailed) == {("tier2", "Approval asked"): 1, ("netowner", "Approval asked"): 1}


@pytest.mark.parametrize("role", ["tier-2", "network-owner"])
@pytest.mark.parametrize("who", ["analyst", "author"])
def test_whom_a_duty_rule_excludes_is_not_told_though_the_role_fits(
    ready: Cast, mailed: Postbox, who: str, role: str
) -> None:
    """The analyst asked for the run, the author wrote the playbook."""
    people.grant(getattr(ready, who), role, actor=SYSTEM, granted_by=None)
    asked(ready)
    assert {to for to, _ in told(mailed)} == {"tier2", "netowner"}


def test_a_message_has_the_page_and_nothing_that_decides(ready: Cast, mailed: Postbox) -> None:
    request = asked(ready)
    told(mailed)
    mail = mailed.mails[0]
    page = f"https://soar.example.org{reverse('approval', args=[request.pk])}"
    for kind in ("plain", "html"):
        text = text_of(mail, kind)
        assert page in text
        assert "decide" not in text
        assert "token" not in text
        assert set(_links(text)) == {page, f"https://soar.example.org{reverse('notifications')}"}
    assert request.digest not in text_of(mail)


def _links(text: str) -> list[str]:
    ends = text.maketrans(dict.fromkeys('"<>\n', " "))
    return [word for word in text.translate(ends).split() if word.startswith("http")]


def test_the_paths_are_those_of_the_pages(ready: Cast) -> None:
    request = asked(ready)
    assert request_path(request.pk) == reverse("approval", args=[request.pk])
    assert review_path(request.pk) == reverse("review", args=[request.pk])
    assert run_path(request.run_id) == reverse("run", args=[request.run_id])
    assert reverse("notifications") == notice_rules.PAGE


def test_whoever_asked_is_told_how_it_came_out(ready: Cast, mailed: Postbox) -> None:
    granted = asked(ready)
    decide(granted, ready, "tier2")
    decide(granted, ready, "netowner")
    denied = asked(ready, address="203.0.113.77")
    decide(denied, ready, "tier2", Verdict.DENY)
    found = told(mailed)
    assert found["analyst", "Approved"] == 1
    assert found["analyst", "Not approved"] == 1
    assert "Looked." in next(text_of(mail) for mail in mailed.mails if _head(mail) == "Not approved")


def test_what_is_asked_again_is_told_to_those_who_asked_and_those_who_decided(
    ready: Cast, mailed: Postbox
) -> None:
    request = asked(ready)
    decide(request, ready, "tier2")
    connect(ready)  # a revision more
    with pytest.raises(approvals.Forbidden):
        decide(request, ready, "netowner")
    found = told(mailed)
    again = "Asked again, since it has changed"
    assert {to for to, head in found if head == again} == {"analyst", "tier2"}


def test_a_request_is_told_again_before_it_is_late_and_when_it_is(ready: Cast, mailed: Postbox) -> None:
    request = asked(ready)
    decide(request, ready, "tier2")
    executor.sweep(now=timezone.now() + DUE * 0.7)
    assert ("netowner", "Soon late") not in told(mailed, after=DUE * 0.7)
    executor.sweep(now=timezone.now() + DUE * 0.8)
    found = told(mailed, after=DUE * 0.8)
    assert {to for to, head in found if head == "Soon late"} == {"netowner"}
    executor.sweep(now=timezone.now() + DUE)
    assert {to for to, head in told(mailed, after=DUE) if head == "Late"} == {"netowner"}


def test_a_reminder_of_what_is_decided_is_dropped(ready: Cast, mailed: Postbox) -> None:
    request = asked(ready)
    executor.sweep(now=timezone.now() + DUE * 0.8)
    decide(request, ready, "tier2", Verdict.DENY)
    assert not [head for _, head in told(mailed, after=DUE) if head == "Soon late"]
    dropped = Notice.objects.filter(kind=NoticeKind.REQUEST_DUE)
    assert {each.status for each in dropped} == {NoticeStatus.DROPPED}
    assert {each.sentence for each in dropped} == {"The request was closed before."}


def test_the_end_of_ones_own_run_comes_with_the_next_digest(ready: Cast, mailed: Postbox) -> None:
    for number in (1, 2):
        run = asked(ready, address=f"203.0.113.{number}").run
        stopping.cancel(run.pk, caller=ready.caller("analyst"))
    assert not [to for to, _ in told(mailed) if to == "analyst"]
    assert told(mailed, after=timedelta(hours=1))["analyst", "2 notices"] == 1
    (mail,) = [each for each in mailed.mails if each["To"] == "analyst@example.org"]
    assert [text_of(mail).count(run_path(run.pk)) for run in Run.objects.all()] == [1, 1]


def test_rules_and_quiet_hours_are_each_persons_own(ready: Cast, mailed: Postbox) -> None:
    never = {NoticeKind.REQUEST_OPENED: {Medium.EMAIL: When.NEVER}}
    notice_rules.set_rules(Rules(chosen=never), caller=ready.caller("tier2"))
    now = timezone.now()
    quiet = Rules(
        quiet_from=(now - timedelta(minutes=5)).time(), quiet_until=(now + timedelta(hours=2)).time()
    )
    notice_rules.set_rules(quiet, caller=ready.caller("netowner"))
    asked(ready)
    assert told(mailed) == {}
    executor.sweep(now=now + DUE + timedelta(seconds=1))
    found = told(mailed, after=DUE + timedelta(seconds=2))
    assert {(to, head) for to, head in found if head == "Late"} == {("tier2", "Late"), ("netowner", "Late")}
    assert ("netowner", "Approval asked") not in found


def test_who_has_unsubscribed_since_is_not_told(ready: Cast, mailed: Postbox) -> None:
    asked(ready)
    never = {NoticeKind.REQUEST_OPENED: {Medium.EMAIL: When.NEVER}}
    notice_rules.set_rules(Rules(chosen=never), caller=ready.caller("tier2"))
    people.deactivate(ready.netowner, actor=SYSTEM)
    assert told(mailed) == {}
    assert Notice.objects.filter(status=NoticeStatus.DROPPED).count() == 2


def test_a_service_of_ones_own_gets_the_same(ready: Cast, chat: FarSide) -> None:
    address = f"{chat.url.replace('http://', 'json://')}/s3cret-path"
    notice_rules.add_service(caller=ready.caller("tier2"), name="My phone", address=address)
    request = asked(ready)
    assert executor.deliver() == 1
    (message,) = [json.loads(each.body) for each in chat.requests]
    assert message["title"].startswith("[Countersign] Approval asked: Block 203.0.113.9")
    assert f"http://localhost:8000/approvals/{request.pk}/" in message["message"]


def test_whoever_is_meant_by_a_seat_that_is_no_role_is_told(ready: Cast, mailed: Postbox) -> None:
    Connection.objects.filter(name="edge-firewall").update(owner=ready.compliance)
    publish(ready, BLOCK.replace("{role: network-owner}", "{owner_of: target}"))
    asked(ready)
    assert {to for to, _ in told(mailed)} == {"tier2", "compliance"}


def test_a_break_glass_is_told_to_everybody_concerned_and_to_those_who_could_review_it(
    ready: Cast, mailed: Postbox
) -> None:
    """It does not wait for the end of anybody's quiet hours."""
    people.grant(ready.admin, "break-glass", actor=SYSTEM, granted_by=None)
    now = timezone.now()
    quiet = Rules(
        quiet_from=(now - timedelta(minutes=5)).time(), quiet_until=(now + timedelta(hours=2)).time()
    )
    notice_rules.set_rules(quiet, caller=ready.caller("tier2"))
    request = asked(ready)
    caller = ready.caller("admin")
    prove(caller, need_of(Purpose.BREAK_GLASS, request.digest))
    break_glass.use(request.pk, caller=caller, shown_digest=request.digest, reason="It spreads.")
    found = told(mailed)
    assert {to for to, head in found if head == "Break-glass"} >= {"analyst", "tier2", "netowner"}
    assert ("admin", "Break-glass") not in found
    assert {to for to, head in found if head == "Review due"} == {"compliance"}
    assert "It spreads." in text_of(next(mail for mail in mailed.mails if _head(mail) == "Break-glass"))


def test_a_role_shares_a_channel_that_gets_what_concerns_it(ready: Cast, chat: FarSide) -> None:
    for role in ("network-owner", "author"):
        notice_rules.share(
            caller=ready.caller("admin"),
            name=role,
            role=role,
            kinds=[NoticeKind.REQUEST_OPENED, NoticeKind.RUN_ENDED],
            address=f"{chat.url.replace('http://', 'json://')}/{role}",
        )
    request = asked(ready)
    executor.deliver()
    assert [each.path for each in chat.requests] == ["/network-owner"]
    stopping.cancel(request.run_id, caller=ready.caller("analyst"))
    executor.deliver()
    assert Counter(each.path for each in chat.requests) == {"/network-owner": 2, "/author": 1}


def test_nobody_is_told_and_nothing_is_written_where_nothing_is_configured(ready: Cast) -> None:
    Principal.objects.update(email="somebody@example.org")
    asked(ready)
    assert not Notice.objects.exists()


def test_quiet_hours_need_both_ends_and_a_zone(ready: Cast) -> None:
    from playbooks.operations.refusals import Invalid

    with pytest.raises(Invalid):
        notice_rules.set_rules(Rules(quiet_from=time(22)), caller=ready.caller("tier2"))
