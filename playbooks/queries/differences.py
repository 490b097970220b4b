"""Two versions of a playbook beside each other."""

from __future__ import annotations

from dataclasses import dataclass

from playbooks.connectors.registry import catalogue
from playbooks.domain.change_rules import Governance
from playbooks.domain.differences import StepChange, differences, text_differences
from playbooks.domain.pins import Pins
from playbooks.models import PlaybookVersion, Principal
from playbooks.queries.pins import pins_or_now
from playbooks.queries.playbooks import versions


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferencesView:
    """From version `old` to version `new`, the higher number. `text` is a unified diff of the two texts.

    A version that is not published yet counts with the pins that it would get now.
    """

    playbook: str
    old: int
    new: int
    governance: tuple[Governance, ...]
    steps: tuple[StepChange, ...]
    text: str


def differences_view(slug: str, one: int, other: int, person: Principal) -> DifferencesView | None:
    """None where there is no such version or the person may not know of it."""
    found = {each.number: each for each in versions(slug, person).filter(number__in={one, other})}
    if found.keys() != {one, other}:
        return None
    old, new = found[min(one, other)], found[max(one, other)]
    pins: list[Pins] = [pins_or_now(each) for each in (old, new)]
    told = differences(old.document, new.document, catalogue(), old_pins=pins[0], new_pins=pins[1])
    return DifferencesView(
        playbook=slug,
        old=old.number,
        new=new.number,
        governance=told.governance,
        steps=told.steps,
        text=text_differences(old.source, new.source, old_name=_name(old), new_name=_name(new)),
    )


def _name(version: PlaybookVersion) -> str:
    return f"version {version.number}"
