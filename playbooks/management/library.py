"""The playbooks that ship with the product, by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from playbooks.domain.check import check
from playbooks.domain.playbook import placed
from playbooks.models import PlaybookVersion
from playbooks.operations import playbooks
from playbooks.operations.actions import actions

_FOLDER = Path(__file__).resolve().parent.parent / "library"
SHIPPED: Mapping[str, Path] = {path.stem: path for path in sorted(_FOLDER.glob("*.yaml"))}


def text_of(name: str) -> str:
    return SHIPPED[name].read_text(encoding="utf-8")


def install(name: str) -> PlaybookVersion:
    """Publishes a shipped playbook, after those that it runs. What is installed already stays as it is.

    Raises Unsound where one that it runs was retired.
    """
    text = text_of(name)
    playbook = check(text, actions()).playbook
    for place in placed(playbook) if playbook else ():
        if place.step.run:
            install(place.step.run)
    return playbooks.ship(text)
