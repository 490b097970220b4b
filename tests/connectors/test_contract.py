"""What holds for every registered connector, whoever wrote it."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import pytest
from jsonschema import Draft202012Validator

from playbooks.connectors import contract, registry
from playbooks.connectors.configuration import problems
from playbooks.connectors.declaration import HIDDEN, Binding, Connector, Context, Field, Secrets
from playbooks.connectors.errors import AnswerLostError, RefusedError, UnreachableError
from playbooks.domain.actions import Action, Effect, Irreversible, Repeat, Timeout, Undo
from playbooks.domain.outcomes import Failed, Lost, Outcome, Succeeded
from tests.connectors.adapter_inputs import ADAPTER_INPUTS
from tests.connectors.conftest import make_context

# Apprise loads a module that Python is going to drop, the first time that it is used.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

CANARY = "canary/7f3d+secret"

CONNECTORS = list(registry.CONNECTORS.values())
BINDINGS = [binding for connector in CONNECTORS for binding in connector.bindings]
every_connector = pytest.mark.parametrize("connector", CONNECTORS, ids=lambda connector: connector.key)
every_action = pytest.mark.parametrize("binding", BINDINGS, ids=lambda binding: binding.action.key)
# What is pure has no far side, and dry runs perform it: test_script.py.
every_action_outside = pytest.mark.parametrize(
    "binding",
    [binding for binding in BINDINGS if not binding.action.is_pure],
    ids=lambda binding: binding.action.key,
)

# Inputs with which each action can be called, and settings that lead to a port where nobody answers.
INPUTS: Mapping[str, Mapping[str, object]] = {
    "assets.find_owner": {"address": "198.51.100.24"},
    "email.send": {"to": ["soc@example.org"], "subject": "Blocked", "text": "It is blocked."},
    "http.get": {"path": "/rules/1"},
    "http.put": {"path": "/rules/1", "json": {"state": "active"}},
    "http.post": {"path": "/rules", "json": {"state": "active"}},
    "http.delete": {"path": "/rules/1"},
    "nftables.block_address": {"address": "198.51.100.24", "hours": 24},
    "nftables.unblock_address": {"address": "198.51.100.24"},
    "nftables.list_blocked": {"family": "ipv4"},
    "notify.send": {"text": "It is blocked."},
    "reputation.lookup_address": {"address": "198.51.100.24"},
    "script.run": {"language": "python", "source": "print('{}')", "inputs": {"text": "It is blocked."}},
    **ADAPTER_INPUTS,
}
SETTINGS: Mapping[str, Mapping[str, object]] = {
    **{key.partition(".")[0]: {"base_url": "http://127.0.0.1:1"} for key in ADAPTER_INPUTS},
    "assets": {"networks": ["198.51.100.0/24,Nadia Reyes,Network operations,high,production"]},
    "email": {"host": "127.0.0.1", "port": 1, "sender": "soar@example.org", "tls": "tls"},
    "http": {"base_url": "http://127.0.0.1:1"},
    "nftables": {"command": ["ip", "netns", "exec", "there-is-none"]},
    "notify": {},
    "reputation": {"networks": ["198.51.100.0/24,malicious,92,team blocklist"]},
    "script": {},
}
SECRETS: Mapping[str, str] = {"urls": f"json://127.0.0.1:1/{CANARY}", "token": CANARY, "password": CANARY}


def context_for(connector: Connector, **changes: object) -> Context:
    secrets = {field.name: SECRETS[field.name] for field in connector.fields if field.kind == "secret"}
    return replace(make_context(SETTINGS[connector.key], secrets), **changes)  # type: ignore[arg-type]


def owner(binding: Binding) -> Connector:
    return registry.connector(binding.action.connector)


def problem(schema: Mapping[str, object], value: object) -> str | None:
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return next((error.message for error in validator.iter_errors(value)), None)


@every_connector
def test_a_connector_declares_a_key_of_its_own_and_fields_with_help(connector: Connector) -> None:
    assert registry.CONNECTORS[connector.key] is connector
    assert re.fullmatch(r"[a-z][a-z0-9_]*", connector.key)
    assert connector.label
    names = [field.name for field in connector.fields]
    assert len(set(names)) == len(names)
    assert all(field.label and field.help for field in connector.fields)
    assert all(field.default is None for field in connector.fields if field.kind == "secret")


@every_connector
def test_the_settings_of_these_tests_are_complete(connector: Connector) -> None:
    held = [field.name for field in connector.fields if field.kind == "secret"]
    assert problems(connector, SETTINGS[connector.key], held) == ()


@every_action
def test_an_action_declares_schemas_that_its_inputs_and_its_example_keep(binding: Binding) -> None:
    action = binding.action
    for schema in (action.inputs, action.outputs):
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
    assert action.inputs["additionalProperties"] is False
    assert action.outputs["additionalProperties"] is (
        action.key == "script.run"
    )  # its author says what it prints
    assert not {"context", "handle"} & action.inputs["properties"].keys()  # type: ignore[attr-defined]
    assert problem(action.inputs, INPUTS[action.key]) is None
    assert problem(action.outputs, action.example) is None


@every_action
def test_an_action_declares_what_policies_and_rollback_look_at(binding: Binding) -> None:
    action = binding.action
    assert action.key.startswith(f"{owner(binding).key}.")
    assert action.label
    assert 0 < action.timeout.default <= action.timeout.maximum
    assert (binding.lookup is not None) == (action.repeat is Repeat.LOOKUP)
    assert (binding.job is not None) == action.is_job == contract.offers_cancel(action.key)
    assert not action.is_pure or (action.effect is Effect.READ and action.repeat is Repeat.SAFE)
    changes = action.effect in {Effect.CHANGE, Effect.DESTROY}
    assert ("changed" in action.outputs["properties"]) == changes  # type: ignore[operator]
    assert action.target in action.inputs["properties"] if changes else True  # type: ignore[operator]


@every_action
def test_an_undo_names_an_action_that_takes_its_parameters(binding: Binding) -> None:
    undo = binding.action.undo
    if not isinstance(undo, Undo):
        assert not isinstance(undo, Irreversible) or undo.sentence.endswith(".")
        return
    scope = {"inputs": INPUTS[binding.action.key], "outputs": binding.action.example}
    rendered = {name: _rendered(str(text), scope) for name, text in undo.parameters.items()}
    assert problem(registry.catalogue()[undo.action].inputs, rendered) is None


def _rendered(text: str, scope: Mapping[str, Mapping[str, object]]) -> object:
    found = re.fullmatch(r"\$\{ (inputs|outputs)\.(\w+) \}", text)
    return scope[found[1]][found[2]] if found else text


@pytest.fixture
def touches() -> Iterator[list[str]]:
    """What reached for the network or another program meanwhile."""
    seen: list[str] = []
    _HOOK.append(seen)
    yield seen
    _HOOK.remove(seen)


_HOOK: list[list[str]] = []
_OUTSIDE = frozenset(
    {
        *("socket.__new__", "socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname"),
        *(
            "socket.sendto",
            "socket.sendmsg",
            "subprocess.Popen",
            "os.system",
            "os.exec",
            "os.fork",
            "os.forkpty",
        ),
        *(
            "os.posix_spawn",
            "os.remove",
            "os.rename",
            "os.mkdir",
            "os.rmdir",
            "os.truncate",
            "shutil.copyfile",
        ),
    }
)


def _note(event: str, arguments: tuple[object, ...]) -> None:
    """Files may be read, as the tables of a connection are, but none is written."""
    writes = (
        event == "open" and isinstance(arguments[2], int) and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
    )
    if event in _OUTSIDE or writes:
        for seen in _HOOK:
            seen.append(event)


sys.addaudithook(_note)  # a hook cannot be taken away again, so it looks whether anybody listens


def test_the_watch_of_these_tests_sees_what_is_touched(touches: list[str], tmp_path: Path) -> None:
    (tmp_path / "read").touch()
    touches.clear()
    (tmp_path / "read").read_bytes()
    assert touches == []
    (tmp_path / "written").write_bytes(b"")
    with pytest.raises(OSError, match="missing"):
        subprocess.run(["./missing"], cwd=tmp_path, check=True)
    assert touches == ["open", "subprocess.Popen"]


@every_action
def test_a_preview_needs_no_dry_run_to_touch_nothing(binding: Binding, touches: list[str]) -> None:
    key = binding.action.key
    shown = contract.preview(key, context_for(owner(binding)), INPUTS[key])
    assert shown
    assert "problem" not in shown
    assert touches == []


@every_action_outside
def test_a_dry_run_touches_nothing_and_says_what_it_would_send(binding: Binding, touches: list[str]) -> None:
    context = context_for(owner(binding), dry_run=True)
    key = binding.action.key
    outcome = contract.perform(key, context, INPUTS[key])
    shown = contract.preview(key, context, INPUTS[key])
    assert isinstance(outcome, Failed)
    assert "dry run" in outcome.sentence
    assert shown
    assert "problem" not in shown
    assert CANARY not in str(shown)
    assert touches == []


@every_action
def test_after_the_deadline_nothing_is_sent(binding: Binding, touches: list[str]) -> None:
    key = binding.action.key
    outcome = contract.perform(key, context_for(owner(binding), deadline=monotonic() - 1), INPUTS[key])
    assert outcome == Failed(f"{key} was not called: its deadline had passed.", permanent=False)
    assert touches == []


@pytest.mark.enable_socket
@every_action_outside
def test_a_far_side_that_is_not_there_is_a_failure_without_any_secret(
    binding: Binding, caplog: pytest.LogCaptureFixture
) -> None:
    key = binding.action.key
    with caplog.at_level(logging.DEBUG):
        outcome = contract.perform(key, context_for(owner(binding)), INPUTS[key])
    assert isinstance(outcome, Succeeded | Failed), outcome
    assert isinstance(outcome, Succeeded) == (owner(binding).key in {"assets", "reputation"})
    assert CANARY not in repr(outcome)
    assert CANARY not in caplog.text


@every_action
def test_inputs_that_the_schema_refuses_are_not_sent(binding: Binding, touches: list[str]) -> None:
    key = binding.action.key
    outcome = contract.perform(key, context_for(owner(binding)), {**INPUTS[key], "surprise": 1})
    assert isinstance(outcome, Failed)
    assert outcome.permanent
    assert outcome.sentence.startswith(f"{key} was not called")
    assert touches == []


def test_a_context_shows_no_secret() -> None:
    context = make_context(secrets={"token": CANARY})
    assert CANARY not in f"{context} {context!r} {context.secrets}"
    with pytest.raises(TypeError, match="never pickled"):
        context.secrets.__reduce__()


@pytest.mark.parametrize("form", [CANARY, "canary%2F7f3d%2Bsecret", "Y2FuYXJ5LzdmM2Qrc2VjcmV0"])
def test_a_secret_is_redacted_in_every_form_and_at_every_depth(form: str) -> None:
    value = {"body": [f"Bearer {form}!", 7, None], form: True}
    hidden = contract.redact(value, Secrets({"token": CANARY, "none": ""}))
    assert hidden == {"body": [f"Bearer {HIDDEN}!", 7, None], HIDDEN: True}


def test_each_line_of_a_secret_is_redacted() -> None:
    assert Secrets({"urls": "slack://one\njson://two"}).hide("json://two failed") == f"{HIDDEN} failed"


def test_a_context_made_for_a_connection_takes_its_egress_list_and_its_deadline() -> None:
    context = contract.context(
        "http",
        settings={"base_url": "http://10.0.0.1", "egress": ["10.0.0.0/8"]},
        secrets={"token": CANARY},
        idempotency_key="step-1",
        deadline=datetime.now(UTC) + timedelta(seconds=30),
    )
    assert context.http.allowed == ("10.0.0.0/8",)
    assert 29 < context.seconds_left() <= 30
    assert CANARY not in repr(context)


def test_settings_that_the_connector_does_not_declare_or_that_do_not_fit_are_named() -> None:
    http = registry.connector("http")
    found = problems(http, {"base_url": "https://user:word@api.example", "headers": "X: y", "proxy": 1}, ())
    assert found == (
        "HTTP has no setting proxy.",
        "Base address has to be an http:// or https:// address without a user in it.",
        "Headers has to be a list of texts.",
    )
    assert problems(http, {}, ()) == ("Base address is missing.",)
    assert problems(registry.connector("notify"), {}, ()) == ("The secret Apprise addresses is missing.",)


def test_an_action_that_nobody_has_fails_with_what_there_is() -> None:
    outcome = contract.perform("nftables.block_adress", make_context(), {})
    assert isinstance(outcome, Failed)
    assert "nftables.block_address" in outcome.sentence


def _defective(effect: Effect, behaviour: object) -> Connector:
    """A connector, as anybody could write one, that ends in `behaviour`."""

    def perform(_: Context, **__: object) -> Outcome:
        if isinstance(behaviour, Exception):
            raise behaviour
        return Succeeded({"answer": behaviour})

    action = Action(
        key="defective.act",
        label="Act",
        inputs={"type": "object"},
        outputs={"type": "object", "properties": {"answer": {"type": "string"}}},
        effect=effect,
        repeat=Repeat.NEVER,
        undo=Irreversible("It cannot be taken back."),
        timeout=Timeout(default=1, maximum=1),
        target="",
        example={"answer": ""},
    )
    token = Field("token", "Token", "secret", False, "A token.", None)
    return Connector("defective", "Defective", (token,), (Binding(action, perform, dict, None, None),))


@pytest.mark.parametrize(
    ("effect", "behaviour", "kind"),
    [
        (Effect.READ, ValueError(CANARY), Failed),
        (Effect.CHANGE, ValueError(CANARY), Lost),
        (Effect.CHANGE, RefusedError(CANARY), Failed),
        (Effect.CHANGE, UnreachableError(CANARY), Failed),
        (Effect.CHANGE, AnswerLostError(CANARY), Lost),
        (Effect.READ, AnswerLostError(CANARY), Failed),
        (Effect.CHANGE, "x" * 1024 * 1024, Lost),
        (Effect.READ, "x" * 1024 * 1024, Failed),
        (Effect.CHANGE, 7, Lost),
        (Effect.CHANGE, CANARY, Succeeded),
    ],
)
def test_whatever_a_connector_does_becomes_an_outcome_without_secrets(
    effect: Effect,
    behaviour: object,
    kind: type,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(registry, "CONNECTORS", {"defective": _defective(effect, behaviour)})
    outcome = contract.perform("defective.act", make_context(secrets={"token": CANARY}), {})
    assert isinstance(outcome, kind)
    assert CANARY not in f"{outcome!r} {caplog.text}"
    assert "Traceback" not in repr(outcome)
    if isinstance(behaviour, ValueError):
        assert "defective.act (ValueError)" in repr(outcome)
        assert "test_contract.py" in caplog.text
