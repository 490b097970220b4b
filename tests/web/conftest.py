"""A small world to look at: a run of the cast's playbook that waits at its gate, and somebody to look with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from playbooks import executor
from playbooks.domain.alerts import NormalAlert, normal
from playbooks.models import Alert, ApprovalRequest, Run
from playbooks.operations import alerts, people
from playbooks.operations.caller import SYSTEM
from tests.cast import Cast, connect, publish, start

Look = Callable[[str], Client]


@dataclass(frozen=True, slots=True)
class World:
    cast: Cast
    run: Run
    request: ApprovalRequest
    alert: Alert


@pytest.fixture(autouse=True)
def _static_files(settings: Any, tmp_path: Path) -> None:
    """The finders serve them; whitenoise warns of a missing directory all the same."""
    settings.STATIC_ROOT = tmp_path


@pytest.fixture
def world(cast: Cast) -> World:
    """The analyst has asked for a run; its gate waits for tier2 and netowner. There is one alert without a run."""
    connect(cast)
    publish(cast)
    run = start(cast)
    executor.drive(run.pk, worker="test")
    return World(cast, run, ApprovalRequest.objects.get(run=run), post_alert("Certificate expires"))


@pytest.fixture
def look(cast: Cast) -> Look:
    """`look("analyst")` is a browser in which the analyst has signed in."""

    def signed_in(name: str, *, csrf: bool = False) -> Client:
        client = Client(enforce_csrf_checks=csrf)
        client.force_login(getattr(cast, name))
        return client

    return signed_in


def post_alert(title: str, **more: object) -> Alert:
    event = {"title": title, "detected_at": timezone.now().isoformat(), "severity": 30, **more}
    alert = normal(event, timezone.now())
    assert isinstance(alert, NormalAlert), alert
    source = people.create_source("monitoring", kind="normal", actor=SYSTEM)
    return Alert.objects.get(pk=alerts.ingest(alert, source=source, raw=b"{}", actor=SYSTEM).alert)
