"""What can still be looked at in a document with faults, so that one round of the check finds all of them.

A faulty part is left out where the step means something without it; else a stand-in takes the step's place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from playbooks.domain.field_types import Identifier
from playbooks.domain.kinds import kind_problem
from playbooks.domain.playbook import Playbook, Step
from playbooks.domain.problems import Finding
from playbooks.domain.reader import Path

_IDENTIFIER: TypeAdapter[str] = TypeAdapter(Identifier)
# What takes the place of a faulty part, so that the rest of its step can be looked at.
_HARMLESS: Mapping[str, Mapping[str, object]] = {
    "approve": {"seats": [{"role": "unreadable"}]},
    "ask": {"who": {"role": "unreadable"}},
}
_HARMLESS_KIND: Mapping[str, object] = {"each": [], "repeat": {"until": "true", "most": 1}}


@dataclass(frozen=True, slots=True)
class Shape:
    """`playbook` is None when nothing can be said about the steps.

    `opaque` are the ids of steps that stand in for faulty ones, and "inputs.<name>" for faulty inputs.
    """

    playbook: Playbook | None
    findings: tuple[Finding, ...]
    opaque: frozenset[str]


def is_below(path: Path, ancestor: Path) -> bool:
    """Whether `path` is `ancestor`, or leads to something inside it."""
    return path[: len(ancestor)] == ancestor


def salvaged(
    data: Mapping[str, Any], places: Collection[Path]
) -> tuple[Playbook | None, list[ErrorDetails], frozenset[str]]:
    """What is left without the parts at `places`, what was found on the way, and the opaque (Shape)."""
    salvage = _Salvage(frozenset(places))
    clean = salvage.playbook(data)
    try:
        return Playbook.model_validate(clean), salvage.errors, frozenset(salvage.opaque)
    except ValidationError:
        return None, salvage.errors, frozenset()


@dataclass(slots=True)
class _Salvage:
    places: frozenset[Path]
    opaque: set[str] = field(default_factory=set)
    errors: list[ErrorDetails] = field(default_factory=list)
    faults: frozenset[Path] = field(init=False)  # the places and all that hold them

    def __post_init__(self) -> None:
        self.faults = frozenset(place[:depth] for place in self.places for depth in range(1, len(place) + 1))

    def playbook(self, data: Mapping[str, Any]) -> dict[str, Any]:
        clean = {
            key: value
            for key, value in data.items()
            if key in Playbook.model_fields and (key,) not in self.places
        }
        clean |= {"playbook": "unreadable", "title": "unreadable"}
        if "triggers" in clean:
            clean["triggers"] = [
                {"alert": "true"} if ("triggers", index) in self.faults else trigger
                for index, trigger in enumerate(data["triggers"])
            ]
        for name, stand_in in (("inputs", {"type": "string"}), ("outputs", None)):
            if name in clean:
                clean[name] = self._named(data[name], name, stand_in)
        if "steps" in clean:
            clean["steps"] = self._steps(data["steps"], ())
        return clean

    def _named(self, values: Mapping[str, Any], name: str, stand_in: object) -> dict[str, object]:
        faulty = {key for key in values if (name, key) in self.faults}
        self.opaque.update(f"{name}.{key}" for key in faulty)
        return {
            key: stand_in if key in faulty else value for key, value in values.items() if _is_identifier(key)
        }

    def _steps(self, steps: list[Any], at: Path) -> list[object]:
        return [self._step(step, (*at, "steps", index)) for index, step in enumerate(steps)]

    def _step(self, step: object, path: Path) -> object:
        """A step without its faulty keys, or else a stand-in with its id and needs, which is noted as opaque."""
        raw = step if isinstance(step, dict) else {}
        if path not in self.faults:
            return raw
        is_sound_itself = not any(
            is_below(place, path) and not self._is_inside(place, path) for place in self.places
        )
        kept = self._kept(raw, path)
        try:
            Step.model_validate(kept)
        except ValidationError as error:
            if is_sound_itself:
                self.errors += [
                    each | {"loc": (*path, *each["loc"])} for each in error.errors(include_url=False)
                ]
            return self._stand_in(kept, path)
        return kept

    def _is_inside(self, place: Path, path: Path) -> bool:
        """Whether a place is in a step that the one at `path` holds."""
        return len(place) > len(path) + 1 and place[len(path)] == "steps"

    def _kept(self, raw: Mapping[str, Any], path: Path) -> dict[str, Any]:
        kept = {key: value for key, value in raw.items() if (*path, key) not in self.faults}
        if (*path, "steps") in self.faults - self.places and isinstance(raw["steps"], list):
            kept["steps"] = self._steps(raw["steps"], path)
        for kind, parts in _HARMLESS.items():
            if kind in kept:
                kept |= {key: part for key, part in parts.items() if not kept.get(key)}
        for kind, part in _HARMLESS_KIND.items():
            if kind in raw and kept.get("steps") and not kind_problem(raw):
                kept.setdefault(kind, part)
        return kept

    def _stand_in(self, kept: Mapping[str, Any], path: Path) -> dict[str, Any]:
        step_id = kept.get("id", "unreadable_" + "_".join(str(part) for part in path[1::2]))
        self.opaque.add(step_id)
        return {"id": step_id, "set": {}, **({"needs": kept["needs"]} if "needs" in kept else {})}


def _is_identifier(value: object) -> bool:
    try:
        _IDENTIFIER.validate_python(value, strict=True)
    except ValidationError:
        return False
    return True
