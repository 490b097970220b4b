"""In production the web's doors stay closed over an unsafe default, though no server runs the checks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAFE = {
    "SOAR_PRODUCTION": "true",
    "SOAR_SECRET_KEY": "a" * 64,
    "SOAR_CONNECTION_KEY": "b" * 64,
    "SOAR_ALLOWED_HOSTS": "soar.example.org",
    "SOAR_DATABASE_URL": "postgresql://soar:secret@127.0.0.1:1/soar",  # nothing listens there
    "SOAR_BROKER_URL": "redis://127.0.0.1:1/0",
}


def opened(door: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-c", f"import soar.{door}"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("door", ["wsgi", "asgi"])
def test_a_demo_never_opens_in_production(door: str, tmp_path: Path) -> None:
    refused = opened(door, {**SAFE, "SOAR_HOME": str(tmp_path), "SOAR_DEMO": "true"})
    assert refused.returncode == 1
    assert "The demo lets anybody become anybody. Unset SOAR_DEMO" in refused.stderr


@pytest.mark.parametrize("door", ["wsgi", "asgi"])
def test_what_is_safe_opens(door: str, tmp_path: Path) -> None:
    assert opened(door, {**SAFE, "SOAR_HOME": str(tmp_path)}).stderr == ""
