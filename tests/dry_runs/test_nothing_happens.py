"""A dry run of every shipped playbook: nothing is sent, nothing is written but its entry, nobody is rung for.

Sockets are closed, and every connection is a real one, so that whatever was sent would be seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from typing import cast as as_type

import pytest
from django.apps import apps
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from playbooks.audit import reading
from playbooks.connectors import registry
from playbooks.connectors.declaration import Binding, Connector
from playbooks.domain.frames import name_of
from playbooks.domain.kinds import KINDS
from playbooks.domain.playbook import Playbook, Step, placed
from playbooks.domain.verbs import Verb
from playbooks.management.library import SHIPPED, install
from playbooks.models import Alert, Connection, PlaybookVersion
from playbooks.operations import actions, dry_runs
from playbooks.operations.dry_runs import About, DryRun
from tests.cast import Cast
from tests.library.desk import Desk
from tests.library.test_shipped_playbooks import SCENARIOS

Calls = Counter[str]
RECORD = {"AuditEntry", "AuditBody", "AuditPending", "AuditStream"}
FAILS = {"do": "fail", "script": "fail", "run": "fail", "approve": "late", "ask": "late", "wait": "late"}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Calls]:
    """Counts every call that would reach a far side."""
    counted: Calls = Counter()
    known = as_type("dict[str, Connector]", registry.CONNECTORS)
    for key, each in list(known.items()):
        bindings = tuple(_counting(binding, counted) for binding in each.bindings)
        monkeypatch.setitem(known, key, replace(each, bindings=bindings))
    actions.actions.cache_clear()
    yield counted
    actions.actions.cache_clear()


def _counting(binding: Binding, counted: Calls) -> Binding:
    """The same binding, whose perform, look-up, check and job are counted; but what is pure reaches nothing."""
    if binding.action.is_pure:
        return binding
    key = binding.action.key
    job = binding.job
    return replace(
        binding,
        perform=_counted(binding.perform, counted, key),
        lookup=_counted(binding.lookup, counted, key) if binding.lookup else None,
        verify=_counted(binding.verify, counted, key) if binding.verify else None,
        job=replace(job, poll=_counted(job.poll, counted, key), cancel=_counted(job.cancel, counted, key))
        if job
        else None,
    )


def _counted(function: Callable[..., Any], counted: Calls, key: str) -> Callable[..., Any]:
    def call(*arguments: Any, **inputs: Any) -> Any:
        counted[key] += 1
        return function(*arguments, **inputs)

    return call


@pytest.fixture
def desk(cast: Cast, tmp_path: Path) -> Desk:
    desk = Desk(cast, tmp_path)
    Connection.objects.update(is_simulated=False)
    return desk


def rows() -> dict[str, int]:
    found = apps.get_app_config("playbooks").get_models()
    return {model.__name__: model._default_manager.count() for model in found}


def branches(version: PlaybookVersion) -> Iterator[Mapping[str, Any]]:
    """Everything goes well; everybody denies; each step fails or is late once."""
    steps = [place.step for place in placed(Playbook.model_validate(version.document))]
    yield {}
    yield {step.id: "deny" for step in steps if step.kind == "approve"}
    for step in steps:
        if step.kind in FAILS and _can_be_late(step):
            yield {step.id: FAILS[step.kind]}


def _can_be_late(step: Step) -> bool:
    return step.wait is None or step.wait.event is not None


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_dry_run_of_a_shipped_playbook_does_nothing(
    name: str,
    desk: Desk,
    cast: Cast,
    calls: Calls,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    scenario = next(each for each in SCENARIOS if each.playbook == name)
    alert = _stored(desk, scenario.alert)
    version = install(name)
    for choose in branches(version):
        before = rows()
        about = About(alert=alert.pk, inputs=scenario.inputs, choose=choose)
        with django_capture_on_commit_callbacks() as rung:
            told = dry_runs.dry_run(name, version.number, about, caller=cast.caller("analyst"))
        written = {table for table, count in rows().items() if count != before[table]}
        assert (calls, rung, written - RECORD) == (Counter(), [], set())
        _assert_told(told, choose)


def _stored(desk: Desk, body: Mapping[str, object]) -> Alert:
    """Before the playbook is in force, so that it starts none."""
    return Alert.objects.get(pk=desk.receive(body).alert)


def _assert_told(told: DryRun, choose: Mapping[str, Any]) -> None:
    assert told.status in {"succeeded", "failed", "waiting"}
    assert not [each.sends["problem"] for each in told.actions if "problem" in each.sends]
    steps = dict(_steps(told.path))
    for key, word in choose.items():
        failed = {status for step, status in steps.items() if name_of(step) == key}
        assert word in {"late", "deny"} or failed <= {"failed", "skipped", "not_reached"}, (key, steps)


def _steps(path: Any) -> Iterator[tuple[str, str]]:
    for step in path:
        yield step.key, step.status
        for turn in step.turns:
            yield from _steps(turn.steps)


def test_every_kind_that_can_fail_is_among_those_that_do() -> None:
    assert set(FAILS) | {"each", "repeat", "set"} == set(KINDS)


def test_the_entry_says_who_walked_what(desk: Desk, cast: Cast) -> None:
    version = install("block-attacker")
    before = timezone.now()
    about = About(inputs={"address": "192.0.2.1"})
    dry_runs.dry_run("block-attacker", version.number, about, caller=cast.caller("analyst"))
    (entry,) = reading.entries(verb=Verb.PLAYBOOK_DRY_RUN).select_related("body")
    assert entry.occurred_at >= before
    assert entry.actor_id == str(cast.analyst.pk)
