"""The policies that ship with the product, and that are in force on every new installation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playbooks.models import Policy, PolicyVersion, Run
from playbooks.operations import policies

ON_NEW_INSTALLATIONS = "playbooks.policies"
_FOLDER = Path(__file__).resolve().parent.parent / "library" / "policies"


def install() -> list[PolicyVersion]:
    """Puts those in force that are not there yet; what is there stays as it is."""
    return [policies.ship(path.read_text(encoding="utf-8")) for path in sorted(_FOLDER.glob("*.yaml"))]


def ensure(**_signal: Any) -> None:
    """After the migrations of an installation that has never run anything: closed by default."""
    if not Policy.objects.exists() and not Run.objects.exists():
        install()
