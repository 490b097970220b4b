"""A secret of a connection is found nowhere but in its sealed column: not in a table, a log, a message or an error."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import cast as as_type

import pytest
from celery import current_app
from django.apps import apps
from django.db import transaction

from playbooks import executor
from playbooks.connectors import registry
from playbooks.connectors.declaration import Connector, Context, Field
from playbooks.domain.outcomes import Failed, Lost, Outcome, Succeeded
from playbooks.domain.statuses import RunStatus
from playbooks.executor import seams
from playbooks.executor.claims import claim_next
from playbooks.executor.seams import Seam
from playbooks.models import Connection, Run
from playbooks.operations import bell, connections, runs
from playbooks.operations.actions import actions
from playbooks.operations.refusals import Invalid
from tests.cast import Cast, connect, publish
from tests.executor.world import World, connector

CANARY = "canary/zq-xk+secret?value"
PASSWORD = "hunter-77aa"  # a part of a secret that is an address
URL = f"https://robot:{PASSWORD}@far.example/hook"
STEPS = """\
playbook: careful
title: Careful
steps:
  - id: act
    do: fake.keyed
    using: guarded
    with: {target: one}
    retry: {times: 1, every: 1s}
"""


def far_side(answer: Callable[[Context], Outcome]) -> Connector:
    """A connector with two secrets, whose far side answers with what it was sent."""
    small = connector(World())
    bindings = tuple(
        type(each)(
            each.action,
            lambda context, **_inputs: answer(context),
            each.preview,
            None if each.lookup is None else lambda context, **_inputs: answer(context),
            each.verify,
        )
        for each in small.bindings
    )
    fields = (
        Field("token", "Token", "secret", True, "", None),
        Field("urls", "Addresses", "secret", True, "", None),
    )
    return Connector("fake", "Fake", fields, bindings)


def echo(context: Context) -> str:
    return f"got {context.secrets.reveal('token')} at {context.secrets.reveal('urls')}"


def crash(context: Context) -> Outcome:
    raise RuntimeError(echo(context))


ANSWERS: dict[str, Callable[[Context], Outcome]] = {
    "failed": lambda context: Failed(echo(context), permanent=True),
    "retried": lambda context: Failed(echo(context), permanent=False),
    "lost": lambda context: Lost(echo(context)),
    "succeeded": lambda context: Succeeded({"target": echo(context), "changed": True, "count": 1}),
    "crashed": crash,
    "a part": lambda context: Failed("You are not " + URL.removeprefix("https://"), permanent=True),
}


@pytest.fixture
def guarded(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> object:
    def make(answer: str) -> Run:
        known = as_type(dict[str, object], registry.CONNECTORS)
        monkeypatch.setitem(known, "fake", far_side(ANSWERS[answer]))
        actions.cache_clear()
        connections.configure(
            "guarded",
            caller=cast.caller("admin"),
            connector="fake",
            settings={},
            secrets={"token": CANARY, "urls": URL},
        )
        publish(cast, STEPS)
        return runs.start("careful", caller=cast.caller("analyst"))

    yield make
    actions.cache_clear()


def everything() -> str:
    """Every column of every row of every table, as text."""
    return "\n".join(
        f"{model.__name__} {[_plain(value) for value in row]}"
        for model in apps.get_models()
        for row in model._default_manager.values_list(*[each.attname for each in model._meta.concrete_fields])
    )


def _plain(value: object) -> object:
    return bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else value


def assert_clean(text: str) -> None:
    assert CANARY not in text
    assert "zq-xk" not in text
    assert PASSWORD not in text


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_secret_is_in_no_table_and_no_log_whatever_the_far_side_says(
    guarded: Callable[[str], Run], caplog: pytest.LogCaptureFixture, answer: str
) -> None:
    caplog.set_level(logging.DEBUG)
    run = guarded(answer)
    executor.drive(run.pk, worker="test")
    run.refresh_from_db()
    assert run.status in {RunStatus.FAILED, RunStatus.SUCCEEDED, RunStatus.WAITING}
    assert_clean(everything())
    assert_clean(caplog.text)


def test_a_secret_is_in_no_representation(guarded: Callable[[str], Run]) -> None:
    run = guarded("failed")
    claim = claim_next(run.pk, worker="test")
    assert claim is not None
    assert_clean(repr(claim))
    assert_clean(repr(vars(claim.connection)))
    assert_clean(repr(claim.attempt) + str(claim.connection))


def test_a_secret_is_in_no_message(
    guarded: Callable[[str], Run], settings: object, django_capture_on_commit_callbacks: object
) -> None:
    """A message carries the name of a task and a primary key."""
    settings.EMBEDDED = False  # type: ignore[attr-defined]
    sent: list[tuple[str, tuple[str, ...]]] = []

    def record(name: str, args: tuple[str, ...]) -> None:
        sent.append((name, args))

    original, current_app.send_task = current_app.send_task, record
    try:
        run = guarded("failed")
        with transaction.atomic():
            bell.ring(run.pk)
        bell.send(bell.DRIVE, str(run.pk))
    finally:
        current_app.send_task = original
    assert sent == [(bell.DRIVE, (str(run.pk),))]


@pytest.mark.parametrize(
    "change", [{"connector": "nothing"}, {"settings": {"odd": 1}}, {"secrets": {"odd": CANARY}}]
)
def test_a_secret_is_in_no_refusal(
    guarded: Callable[[str], Run], cast: Cast, change: dict[str, object]
) -> None:
    guarded("failed")
    call = {"connector": "fake", "settings": {}, "secrets": {"token": CANARY}, **change}
    with pytest.raises(Invalid) as refusal:
        connections.configure("guarded", caller=cast.caller("admin"), **call)  # type: ignore[arg-type]
    assert_clean(str(refusal.value) + repr(refusal.value))


def test_a_secret_is_in_no_error_of_a_worker_that_dies(guarded: Callable[[str], Run]) -> None:
    class Died(BaseException):
        pass

    def die(_seam: Seam) -> None:
        raise Died

    run = guarded("failed")
    seams.visit(die)
    with pytest.raises(Died) as error:
        executor.drive(run.pk, worker="test")
    assert_clean(str(error.getrepr(showlocals=True)))


def test_secrets_that_are_not_named_stay_and_the_log_says_which_were_set(cast: Cast) -> None:
    connect(cast)
    before = Connection.objects.get(name="soc-channel")
    after = connections.configure(
        "soc-channel", caller=cast.caller("admin"), connector="notify", settings={}, secrets={}
    )
    assert after.revision == before.revision + 1
    assert after.sealed
