"""Health: 200 only when everything is ready; the reasons are for whoever is signed in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_django import Settings

from playbooks.audit.sequencer import sequence_once
from playbooks.audit.signing import load_signer
from playbooks.models import Heartbeat
from tests.api.callers import beat, nobody, session
from tests.cast import Cast


def checks(cast: Cast) -> dict[str, Any]:
    return {each["name"]: each for each in session(cast.analyst).get("health/").json()["checks"]}


def test_it_is_not_ready_before_worker_and_sequencer_are(cast: Cast) -> None:
    answer = nobody().get("health/")
    assert (answer.status_code, answer.json()) == (503, {"ok": False, "checks": []})
    said = checks(cast)
    assert {name: each["ok"] for name, each in said.items()} == {
        "database": True,
        "migrations": True,
        "worker": False,
        "checkpoint": False,
    }
    assert "worker" in said["worker"]["detail"].lower()


def test_it_is_ready_when_all_are(cast: Cast, tmp_path: Path) -> None:
    beat()
    sequence_once(load_signer(tmp_path))
    answer = nobody().get("health/")
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "checks": []})


def test_a_demo_is_ready_when_it_is_loaded(cast: Cast, settings: Settings, tmp_path: Path) -> None:
    settings.DEMO = True
    beat()
    sequence_once(load_signer(tmp_path))
    assert nobody().get("health/").status_code == 503
    beat_at = Heartbeat.objects.get(part="sweep").beat_at
    Heartbeat.objects.create(part="demo", beat_at=beat_at)
    assert nobody().get("health/").status_code == 200
