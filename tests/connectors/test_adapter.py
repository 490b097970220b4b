"""The adapter protocol, against a far side that misbehaves, and against the adapter that the documentation shows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from playbooks.connectors import contract, registry
from playbooks.connectors.declaration import HIDDEN, Context
from playbooks.domain.actions import Effect
from playbooks.domain.outcomes import Failed, Lost, Pending, Succeeded
from tests.connectors.adapter_inputs import ADAPTER_INPUTS
from tests.connectors.conftest import KEY, FarSide, make_context

pytestmark = pytest.mark.enable_socket

TOKEN = "t0ken-of-the-adapter"
DOMAIN = {"domain": "k3.update-check.example"}
SUNK = {**DOMAIN, "changed": True}
DOCUMENTATION = Path(__file__).resolve().parents[2] / "docs" / "connectors.md"


def connected(url: str, **changes: Any) -> Context:
    return make_context({"base_url": f"{url}/"}, {"token": TOKEN}, **changes)


def sinkhole(far_side: FarSide, **changes: Any) -> object:
    return contract.perform("dns.sinkhole_domain", connected(far_side.url, **changes), DOMAIN)


def look_up(far_side: FarSide) -> object:
    return contract.lookup("dns.sinkhole_domain", connected(far_side.url), DOMAIN)


def test_an_action_is_posted_with_its_inputs_its_key_and_the_token(far_side: FarSide) -> None:
    far_side.body = json.dumps(SUNK).encode()
    assert sinkhole(far_side) == Succeeded(SUNK)
    (request,) = far_side.requests
    assert (request.method, request.path) == ("POST", "/sinkhole_domain")
    assert json.loads(request.body) == DOMAIN
    named = {name.lower(): value for name, value in request.headers.items()}
    assert named["idempotency-key"] == KEY
    assert named["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422])
def test_a_refusal_is_final_and_in_the_adapters_words(far_side: FarSide, status: int) -> None:
    far_side.status, far_side.body = status, b'{"error": "The zone is\\nheld by the registrar."}'
    outcome = sinkhole(far_side)
    assert outcome == Failed(
        f"The adapter refused sinkhole_domain ({status}): The zone is held by the registrar.", permanent=True
    )


@pytest.mark.parametrize("status", [408, 425, 429, 503])
def test_not_now_may_be_tried_again(far_side: FarSide, status: int) -> None:
    far_side.status = status
    assert sinkhole(far_side) == Failed(
        f"The adapter did not take sinkhole_domain ({status}).", permanent=False
    )


def test_an_adapter_that_asks_to_wait_is_quoted(far_side: FarSide) -> None:
    far_side.status, far_side.headers = 429, {"retry-after": "30"}
    outcome = sinkhole(far_side)
    assert isinstance(outcome, Failed)
    assert outcome.sentence.endswith("and asks to wait 30 seconds.")
    assert outcome.retry_after == 30
    assert outcome.retry_after == 30.0


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"<html><h1>Internal Server Error</h1></html>"),
        (502, b""),
        (200, b"[]"),
        (200, b"sunk"),
        (200, b"{}"),
        (200, b'{"domain": "k3.update-check.example", "changed": "yes"}'),
        (200, b'{"domain": "k3.update-check.example", "changed": true, "more": 1}'),
        (200, b'{"domain": "' + b"x" * 600_000 + b'"}'),
    ],
)
def test_whatever_leaves_open_whether_it_happened_is_lost(
    far_side: FarSide, status: int, body: bytes
) -> None:
    far_side.status, far_side.body = status, body
    outcome = sinkhole(far_side)
    assert isinstance(outcome, Lost)
    assert "<h1>" not in outcome.sentence


def test_a_lost_answer_to_a_question_is_a_failure_that_may_be_tried_again(far_side: FarSide) -> None:
    far_side.status = 500
    outcome = contract.perform("dns.find_queries", connected(far_side.url), {**DOMAIN, "hours": 24})
    assert isinstance(outcome, Failed)
    assert not outcome.permanent


def test_after_an_answer_that_never_came_the_look_up_tells_what_became_of_it(far_side: FarSide) -> None:
    far_side.hang = True
    assert isinstance(sinkhole(far_side, seconds=0.3), Lost)
    far_side.hang, far_side.body = False, json.dumps({"found": True, "outputs": SUNK}).encode()
    assert look_up(far_side) == Succeeded(SUNK)
    assert far_side.requests[-1].path == "/lookup"
    assert json.loads(far_side.requests[-1].body) == {"action": "sinkhole_domain", "key": KEY}


def test_the_look_up_can_say_that_it_did_not_happen(far_side: FarSide) -> None:
    far_side.body = b'{"found": false}'
    assert look_up(far_side) is None


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b'{"error": "This adapter has no look-up."}'),
        (500, b""),
        (200, b"{}"),
        (200, b'{"found": true}'),
        (200, b'{"found": true, "outputs": {"domain": "k3.update-check.example"}}'),
    ],
)
def test_a_look_up_that_cannot_tell_leaves_it_to_a_person(
    far_side: FarSide, status: int, body: bytes
) -> None:
    far_side.status, far_side.body = status, body
    assert isinstance(look_up(far_side), Lost)


PATCH = ADAPTER_INPUTS["patching.patch_host"]
PATCHED = {"host": "web-01", "changed": True, "restarted": True}
JOB = {"job": "p-77"}


def ask(far_side: FarSide, question: Callable[..., object]) -> object:
    return question("patching.patch_host", connected(far_side.url), JOB, PATCH)


def test_what_takes_long_is_a_job_that_is_asked_for_until_it_has_ended(far_side: FarSide) -> None:
    far_side.status, far_side.body = 202, b'{"job": "p-77", "poll_after": 30, "says": "It restarts."}'
    begun = contract.perform("patching.patch_host", connected(far_side.url), PATCH)
    assert begun == ask(far_side, contract.poll) == Pending(JOB, 30.0, "It restarts.")
    assert far_side.requests[-1].path == "/poll"
    assert json.loads(far_side.requests[-1].body) == {"action": "patch_host", **JOB}
    far_side.status, far_side.body = 200, json.dumps({"outputs": PATCHED}).encode()
    assert ask(far_side, contract.poll) == Succeeded(PATCHED)


def test_a_job_is_asked_to_stop_and_has_stopped_when_it_says_so(far_side: FarSide) -> None:
    far_side.status, far_side.body = 202, b"{}"
    assert ask(far_side, contract.cancel) == Pending(JOB, 15.0)
    assert far_side.requests[-1].path == "/cancel"
    far_side.status, far_side.body = 200, b'{"error": "It was stopped before the restart."}'
    assert ask(far_side, contract.cancel) == Failed("It was stopped before the restart.", permanent=True)


@pytest.mark.parametrize("status", [404, 410])
def test_a_job_that_the_adapter_knows_no_more_is_lost(far_side: FarSide, status: int) -> None:
    far_side.status = status
    assert isinstance(ask(far_side, contract.poll), Lost)


@pytest.mark.parametrize("status", [200, 401, 429, 500])
def test_a_job_goes_on_while_the_adapter_does_not_say_how_it_is(far_side: FarSide, status: int) -> None:
    far_side.status = status
    outcome = ask(far_side, contract.poll)
    assert isinstance(outcome, Pending)
    assert "did not say how patch_host is" in outcome.sentence


@pytest.mark.parametrize(("action", "body"), [("dns.sinkhole_domain", JOB), ("patching.patch_host", {})])
def test_a_job_that_cannot_be_followed_is_lost(
    far_side: FarSide, action: str, body: Mapping[str, str]
) -> None:
    far_side.status, far_side.body = 202, json.dumps(body).encode()
    assert isinstance(contract.perform(action, connected(far_side.url), ADAPTER_INPUTS[action]), Lost)


def test_the_look_up_can_tell_the_job(far_side: FarSide) -> None:
    far_side.body = json.dumps({"found": True, **JOB}).encode()
    found = contract.lookup("patching.patch_host", connected(far_side.url), PATCH)
    assert found == Pending(JOB, 15.0)


def test_the_preview_hides_the_token_and_what_nobody_may_read() -> None:
    shown = contract.preview(
        "identity.hand_over_password",
        connected("https://adapter.example/identity"),
        ADAPTER_INPUTS["identity.hand_over_password"],
    )
    assert shown == {
        "method": "POST",
        "url": "https://adapter.example/identity/hand_over_password",
        "headers": {"Authorization": f"Bearer {HIDDEN}", "Idempotency-Key": KEY},
        "json": {"user": "m.okafor", "through": "j.brandt", "password": HIDDEN},
    }


@pytest.mark.parametrize("padding", [0, 470, 490])
def test_no_part_of_the_token_comes_back_in_a_sentence(far_side: FarSide, padding: int) -> None:
    far_side.status = 403
    far_side.body = json.dumps({"error": f"{'x' * padding} {TOKEN} is not known."}).encode()
    assert "t0ken" not in repr(sinkhole(far_side))


@pytest.fixture
def documented() -> Iterator[tuple[str, dict[str, Any]]]:
    """The address of the adapter in docs/connectors.md, running, and its own names."""
    found = re.search(r"```python\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    names: dict[str, Any] = {"__name__": "adapter"}
    exec(compile(found[1], "docs/connectors.md", "exec"), names)
    names["Adapter"].log_message = lambda *_: None
    with ThreadingHTTPServer(("127.0.0.1", 0), names["Adapter"]) as server, ThreadPoolExecutor() as pool:
        pool.submit(server.serve_forever, 0.01)
        yield f"http://127.0.0.1:{server.server_address[1]}", names
        server.shutdown()


@pytest.fixture(autouse=True)
def _token_of_the_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAPTER_TOKEN", TOKEN)


def test_the_documented_adapter_sinks_once_says_when_it_was_so_and_releases(
    documented: tuple[str, dict[str, Any]],
) -> None:
    url, names = documented
    assert contract.perform("dns.sinkhole_domain", connected(url, key="a"), DOMAIN) == Succeeded(SUNK)
    assert names["sunk"] == {"k3.update-check.example"}
    again = contract.perform("dns.sinkhole_domain", connected(url, key="b"), DOMAIN)
    assert again == Succeeded({**DOMAIN, "changed": False})
    released = contract.perform("dns.release_domain", connected(url, key="c"), DOMAIN)
    assert released == Succeeded(SUNK)
    assert names["sunk"] == set()


def test_the_documented_adapter_knows_what_it_answered_and_repeats_it(
    documented: tuple[str, dict[str, Any]],
) -> None:
    url, _ = documented
    assert contract.lookup("dns.sinkhole_domain", connected(url), DOMAIN) is None
    contract.perform("dns.sinkhole_domain", connected(url), DOMAIN)
    assert contract.lookup("dns.sinkhole_domain", connected(url), DOMAIN) == Succeeded(SUNK)
    assert contract.perform("dns.sinkhole_domain", connected(url), DOMAIN) == Succeeded(SUNK)


def test_the_documented_adapter_refuses_another_token_and_an_action_that_it_has_not(
    documented: tuple[str, dict[str, Any]],
) -> None:
    url, _ = documented
    stranger = make_context({"base_url": url}, {"token": "another"})
    refused = contract.perform("dns.sinkhole_domain", stranger, DOMAIN)
    missing = contract.perform("dns.find_queries", connected(url), {**DOMAIN, "hours": 24})
    assert refused == Failed(
        "The adapter refused sinkhole_domain (401): The token of the connection is not the adapter's.",
        permanent=True,
    )
    assert missing == Failed(
        "The adapter refused find_queries (404): This adapter has no such action.", permanent=True
    )


def test_the_documentation_names_every_connector_that_needs_an_adapter() -> None:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    assert not [key for key in registry.CONNECTORS if f"`{key}`" not in text]


def test_what_destroys_is_no_undo_of_anything() -> None:
    graves = {key for key, action in registry.catalogue().items() if action.effect is Effect.DESTROY}
    assert graves == {"cloud.delete_key", "devices.wipe_device", "mail.purge_messages"}
