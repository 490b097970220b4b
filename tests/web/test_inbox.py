"""The inbox: what is the reader's own comes first, however much else is open, and it costs no more for it."""

from __future__ import annotations

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from playbooks.models import ApprovalRequest, Seat
from playbooks.operations import people
from playbooks.operations.caller import SYSTEM
from playbooks.queries import approvals as queries
from tests.web.conftest import Look, World
from tests.web.crowd import open_requests


def queries_of(look: Look, address: str) -> int:
    browser = look("tier2")
    with CaptureQueriesContext(connection) as captured:
        assert browser.get(address).status_code == 200
    return len(captured)


def test_ten_thousand_open_requests_cost_as_many_queries_as_fifty(world: World, look: Look) -> None:
    open_requests(world.request, 50, role="tier-2")
    few = {each: queries_of(look, reverse("inbox") + each) for each in ("", "?show=owed", "?show=all")}
    open_requests(world.request, 9_950, role="somebody-else", first=50)
    assert ApprovalRequest.objects.filter(status="open").count() == 10_001
    many = {each: queries_of(look, reverse("inbox") + each) for each in few}
    assert many == few
    text = look("tier2").get(reverse("inbox")).content.decode()
    assert text.count("You may decide") == 1
    assert '<span class="count">50</span>' in text


def test_what_one_asked_for_does_not_hide_what_one_may_decide(world: World) -> None:
    people.grant(world.cast.analyst, "tier-2", actor=SYSTEM, granted_by=None)
    open_requests(world.request, 60, role="tier-2")
    other = ApprovalRequest.objects.latest("pk")
    ApprovalRequest.objects.filter(pk=other.pk).update(requesters={})
    assert queries.inbox(world.cast.analyst).count() == 61
    assert [row.pk for row in queries.decidable(world.cast.analyst)] == [other.pk]


def test_the_inbox_is_searched_and_filtered(world: World, look: Look) -> None:
    open_requests(world.request, 3, role="tier-2")
    ApprovalRequest.objects.filter(pk=world.request.pk).update(question="Block 198.51.100.7 at the edge?")
    text = look("tier2").get(reverse("inbox") + "?show=all&q=198.51.100.7").content.decode()
    assert text.count("row-link") == 1
    assert Seat.objects.filter(role="tier-2").count() == 4
