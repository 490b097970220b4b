"""Mail, judged at a real SMTP server."""

from __future__ import annotations

import socket
import time

import pytest

from playbooks.connectors import contract
from playbooks.connectors.declaration import Context
from playbooks.domain.outcomes import Failed, Lost, Succeeded
from tests.connectors.conftest import make_context
from tests.postbox import Postbox, postbox

__all__ = ["postbox"]

pytestmark = pytest.mark.enable_socket

INPUTS = {
    "to": ["soc@example.org", "ciso@example.org"],
    "subject": "Blocked: 192.0.2.7",
    "text": "It is blocked.\nÜber alle.",
}


def context_for(port: int, *, key: str = "step-1", seconds: float = 20.0, **settings: object) -> Context:
    plain = {"host": "127.0.0.1", "port": port, "tls": "none", "sender": "Countersign <soar@example.org>"}
    return make_context({**plain, **settings}, key=key, seconds=seconds)


def test_a_mail_arrives_as_it_was_written(postbox: Postbox) -> None:
    outcome = contract.perform("email.send", context_for(postbox.port), INPUTS)
    (mail,) = postbox.mails
    assert isinstance(outcome, Succeeded)
    assert outcome.outputs == {"message_id": mail["Message-ID"], "to": INPUTS["to"]}
    assert mail["Subject"] == INPUTS["subject"]
    assert mail["From"] == "Countersign <soar@example.org>"
    assert mail["To"] == "soc@example.org, ciso@example.org"
    assert mail.get_content().split() == str(INPUTS["text"]).split()


def test_a_repeat_is_the_same_mail_and_another_step_is_another(postbox: Postbox) -> None:
    for key in ("step-1", "step-1", "step-2"):
        contract.perform("email.send", context_for(postbox.port, key=key), INPUTS)
    first, repeat, other = (mail["Message-ID"] for mail in postbox.mails)
    assert first == repeat != other
    assert first.endswith("@example.org>")


@pytest.mark.parametrize(("says", "permanent"), [("451 later", False), ("554 never", True)])
def test_a_refusal_says_whether_a_retry_can_help(postbox: Postbox, says: str, permanent: bool) -> None:
    postbox.says = says
    outcome = contract.perform("email.send", context_for(postbox.port), INPUTS)
    assert outcome == Failed(f"The mail server did not take the mail ({says[:3]}).", permanent=permanent)


def test_a_refused_recipient_is_named_and_the_others_have_the_mail(postbox: Postbox) -> None:
    postbox.refuses = frozenset({"ciso@example.org"})
    outcome = contract.perform("email.send", context_for(postbox.port), INPUTS)
    assert outcome == Failed("The mail server refused ciso@example.org. The others have it.", permanent=True)
    assert len(postbox.mails) == 1


@pytest.mark.parametrize("tls", ["starttls", "tls", "perhaps"])
def test_a_server_without_encryption_gets_nothing_when_encryption_is_asked(
    postbox: Postbox, tls: str
) -> None:
    outcome = contract.perform("email.send", context_for(postbox.port, tls=tls), INPUTS)
    assert isinstance(outcome, Failed)
    assert postbox.mails == []


def test_a_password_is_never_sent_in_clear(postbox: Postbox) -> None:
    settings = {"host": "127.0.0.1", "port": postbox.port, "tls": "none", "sender": "soar@example.org"}
    outcome = contract.perform("email.send", make_context(settings, {"password": "s3cret"}), INPUTS)
    assert isinstance(outcome, Failed)
    assert "never sent without encryption" in outcome.sentence


@pytest.mark.parametrize(
    "inputs",
    [
        {**INPUTS, "subject": "a\r\nBcc: all@example.org"},
        {**INPUTS, "subject": "a\n"},
        {**INPUTS, "to": ["soc@example.org\n"]},
        {**INPUTS, "to": ["a@example.org\nBcc: all@example.org"]},
        {**INPUTS, "to": ["a@example.org, b@example.org"]},
        {**INPUTS, "to": []},
    ],
)
def test_a_header_cannot_be_smuggled_in(postbox: Postbox, inputs: dict[str, object]) -> None:
    outcome = contract.perform("email.send", context_for(postbox.port), inputs)
    assert isinstance(outcome, Failed)
    assert postbox.mails == []


def test_a_server_that_is_silent_is_left_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        started = time.monotonic()
        outcome = contract.perform("email.send", context_for(server.getsockname()[1], seconds=0.3), INPUTS)
    assert isinstance(outcome, Failed)
    assert not outcome.permanent
    assert time.monotonic() - started < 2


def test_a_server_that_hangs_up_over_the_mail_leaves_the_answer_lost(postbox: Postbox) -> None:
    postbox.says = "421 closing"
    outcome = contract.perform("email.send", context_for(postbox.port), INPUTS)
    assert isinstance(outcome, Lost | Failed)
    assert postbox.mails == []


def test_a_mail_server_inside_needs_the_egress_list(postbox: Postbox) -> None:
    settings = {"host": "127.0.0.1", "port": postbox.port, "tls": "none", "sender": "soar@example.org"}
    outcome = contract.perform("email.send", make_context(settings, allowed=()), INPUTS)
    assert isinstance(outcome, Failed)
    assert "egress list" in outcome.sentence
