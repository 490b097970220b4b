"""Messages to a channel, judged at the far side."""

from __future__ import annotations

import json

import pytest

from playbooks.connectors import contract
from playbooks.connectors.declaration import Context
from playbooks.domain.outcomes import Failed, Outcome, Succeeded
from tests.connectors.conftest import FarSide, make_context

pytestmark = [
    pytest.mark.enable_socket,
    # Apprise loads a module that Python is going to drop, the first time that it is used.
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
]


def send(urls: str, context: Context | None = None) -> Outcome:
    context = context or make_context(secrets={"urls": urls})
    return contract.perform("notify.send", context, {"text": "192.0.2.7 is blocked", "title": "Edge"})


def address(far_side: FarSide) -> str:
    return far_side.url.replace("http://", "json://") + "/s3cret-path"


def test_the_channel_gets_the_text(far_side: FarSide) -> None:
    assert isinstance(send(address(far_side)), Succeeded)
    (request,) = far_side.requests
    assert json.loads(request.body)["message"] == "192.0.2.7 is blocked"
    assert json.loads(request.body)["title"] == "Edge"


def test_when_no_service_takes_it_a_retry_may_help(far_side: FarSide) -> None:
    far_side.status = 500
    outcome = send(address(far_side))
    assert isinstance(outcome, Failed)
    assert not outcome.permanent
    assert "s3cret" not in outcome.sentence


def test_when_one_of_two_took_it_it_is_not_sent_again(far_side: FarSide) -> None:
    outcome = send(f"{address(far_side)}\njson://127.0.0.1:1/other")
    assert isinstance(outcome, Failed)
    assert outcome.permanent
    assert len(far_side.requests) == 1


@pytest.mark.parametrize(
    "urls", ["nonsense", "syslog://", "json://169.254.169.254/", "json://127.0.0.1:1/\nnonsense"]
)
def test_an_address_that_is_none_or_leads_inside_sends_nothing(urls: str) -> None:
    outcome = send(urls)
    assert isinstance(outcome, Failed)
    assert outcome.permanent


def test_a_redirect_is_not_followed(far_side: FarSide) -> None:
    far_side.status, far_side.headers = 307, {"location": f"{far_side.url}/elsewhere"}
    send(address(far_side))
    assert [request.path for request in far_side.requests] == ["/s3cret-path"]


def test_a_service_that_is_silent_is_left_at_the_deadline(far_side: FarSide) -> None:
    far_side.hang = True
    outcome = send("", make_context(secrets={"urls": address(far_side)}, seconds=0.5))
    assert isinstance(outcome, Failed)
