"""Inputs that may receive what an earlier step keeps secret: they are used, and shown nowhere."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from playbooks.connectors import contract, registry
from playbooks.connectors.declaration import HIDDEN, Binding, Connector, Context
from playbooks.connectors.errors import RefusedError
from playbooks.connectors.schemas import TEXT, record
from playbooks.connectors.simulator import simulate
from playbooks.domain.actions import Action, Effect, Irreversible, Repeat, Timeout
from playbooks.domain.outcomes import Failed, Outcome, Succeeded
from tests.connectors.conftest import FarSide, make_context

CANARY = "canary'7f3d\n+secret"
FORMS = ("canary'7f3d", "+secret", "canary\\'7f3d", "%2Bsecret")


def test_only_what_is_marked_is_a_secret_input() -> None:
    actions = registry.catalogue()
    assert actions["http.put"].secret_inputs == {"secret_headers", "secret_json"}
    assert actions["http.get"].secret_inputs == {"secret_headers"}
    for key in ("email.send", "notify.send", "script.run", "nftables.block_address"):
        assert actions[key].secret_inputs == frozenset()


def echo(behaviour: str) -> Connector:
    """A connector that says what it was given, in one way or another."""

    def act(_: Context, *, word: object, note: str = "") -> Outcome:
        if behaviour == "raises":
            raise RefusedError(f"The far side said {word}")
        if behaviour == "fails":
            return Failed(f"The far side said {word!s}", permanent=True)
        return Succeeded({"said": [str(word), {str(word): word}], "note": note})

    def verify(_: Context, inputs: Mapping[str, object], __: Mapping[str, object]) -> str | None:
        return f"It is {inputs['word']} now."

    def preview(_: Context, *, word: object, note: str = "") -> Mapping[str, object]:
        return {"word": word, "note": note}

    action = Action(
        key="echo.act",
        label="Act",
        inputs=record(
            {
                "word": {"writeOnly": True, "not": {"const": "refused " + CANARY}, "maxLength": 200},
                "note": TEXT,
            },
            optional=("note",),
        ),
        outputs={"type": "object"},
        effect=Effect.CHANGE,
        repeat=Repeat.LOOKUP,
        undo=Irreversible("Gone is gone."),
        timeout=Timeout(1, 5),
        target="note",
        example={"word": "simulated"},
    )
    return Connector("echo", "Echo", (), (Binding(action, act, preview, act, verify),))


def hides(value: object) -> bool:
    shown = f"{value!r} {value!s}"
    return HIDDEN in shown and not any(form in shown for form in FORMS)


@pytest.mark.parametrize("behaviour", ["raises", "fails", "succeeds"])
def test_a_secret_input_is_in_no_outcome(behaviour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "CONNECTORS", {"echo": echo(behaviour)})
    inputs = {"word": CANARY, "note": "plain"}
    assert hides(contract.perform("echo.act", make_context(), inputs))
    assert hides(contract.lookup("echo.act", make_context(), inputs))
    assert hides(contract.verify("echo.act", make_context(), inputs, {}))
    assert hides(contract.preview("echo.act", make_context(), inputs))


def test_other_inputs_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "CONNECTORS", {"echo": echo("succeeds")})
    outcome = contract.perform("echo.act", make_context(), {"word": CANARY, "note": "plain"})
    assert isinstance(outcome, Succeeded)
    assert outcome.outputs["note"] == "plain"


@pytest.mark.parametrize("word", [4711, {"pin": 4711}, ["4711"], {"deep": [{"pin": 4711}]}])
def test_a_number_and_what_lies_deep_is_secret_too(word: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "CONNECTORS", {"echo": echo("succeeds")})
    outcome = contract.perform("echo.act", make_context(), {"word": word, "note": "4712"})
    assert "4711" not in repr(outcome)
    assert "4712" in repr(outcome)


@pytest.mark.parametrize("word", ["refused " + CANARY, "x" * 190 + CANARY])
def test_a_secret_that_the_schema_refuses_is_not_quoted(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "CONNECTORS", {"echo": echo("succeeds")})
    outcome = contract.perform("echo.act", make_context(), {"word": word})
    assert isinstance(outcome, Failed)
    assert outcome.sentence.startswith("echo.act was not called: word: the schema's ")
    assert not any(form in outcome.sentence for form in FORMS)


def test_an_input_that_nobody_declares_is_named_beside_a_secret_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "CONNECTORS", {"echo": echo("succeeds")})
    outcome = contract.perform("echo.act", make_context(), {"word": CANARY, "surprise": CANARY})
    assert isinstance(outcome, Failed)
    assert "'surprise' was unexpected" in outcome.sentence
    assert not any(form in outcome.sentence for form in FORMS)


def test_the_simulator_does_not_repeat_a_secret_input() -> None:
    action = echo("succeeds").bindings[0].action
    outcome, _ = simulate(action, {"word": CANARY, "note": "plain"}, {})
    assert isinstance(outcome, Succeeded)
    assert outcome.outputs["word"] == "simulated"


@pytest.mark.enable_socket
def test_a_request_carries_secret_headers_and_members_and_shows_neither(far_side: FarSide) -> None:
    secret = {"secret_headers": {"authorization": "Bearer s3cr3t-1"}, "secret_json": {"password": "s3cr3t-2"}}
    far_side.body = b'{"echo": "Bearer s3cr3t-1 and s3cr3t-2", "state": "active"}'
    context = make_context({"base_url": far_side.url, "headers": ["X-Tenant: blue"]}, {"token": "t0p"})
    inputs = {"path": "/users/7", "json": {"state": "active"}, **secret}
    outcome = contract.perform("http.put", context, inputs)
    (request,) = far_side.requests
    assert request.headers["authorization"] == "Bearer s3cr3t-1"
    assert "Authorization" not in request.headers
    assert request.headers["X-Tenant"] == "blue"
    assert json.loads(request.body) == {"state": "active", "password": "s3cr3t-2"}
    assert isinstance(outcome, Succeeded)
    assert outcome.outputs["body"] == {"echo": f"{HIDDEN} and {HIDDEN}", "state": "active"}
    shown = contract.preview("http.put", context, inputs)
    assert shown["json"] == {"state": "active", "password": HIDDEN}
    assert isinstance(shown["headers"], Mapping)
    assert shown["headers"]["authorization"] == HIDDEN
    assert "s3cr3t" not in repr(shown)


@pytest.mark.enable_socket
@pytest.mark.parametrize(
    "wrong",
    [
        {"secret_headers": {"Host": "evil.example"}},
        {"secret_headers": {"content-length": "0"}},
        {"secret_headers": {"X-A": "b\r\nX-C: d"}},
        {"secret_headers": {"X-A": "b\n"}},
        {"secret_headers": {"X A": "b"}},
        {"secret_headers": {"": "b"}},
        {"json": [1], "secret_json": {"a": "b"}},
    ],
)
def test_headers_and_members_that_do_not_fit_are_refused(
    far_side: FarSide, wrong: Mapping[str, object]
) -> None:
    context = make_context({"base_url": far_side.url})
    outcome = contract.perform("http.post", context, {"path": "/rules", **wrong})
    assert isinstance(outcome, Failed)
    assert outcome.permanent
    assert far_side.requests == []
