"""The versions of other playbooks that a version runs: fixed when it is published, so that what was reviewed runs.

A later version of a playbook that is run by others changes nothing for them until they are published again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from playbooks.domain.canonical import digest
from playbooks.domain.expressions import sources
from playbooks.domain.inputs import accept_inputs
from playbooks.domain.playbook import Input
from playbooks.domain.problems import Finding, nearest

MAX_LEVELS = 8  # a playbook that runs no other has one level
MAX_PINS = 100  # so that the entry of the audit log holds them

Pins = Mapping[str, Mapping[str, Any]]


class Published(Protocol):
    """A version in force."""

    @property
    def pk(self) -> Any: ...
    @property
    def number(self) -> int: ...
    @property
    def document(self) -> Mapping[str, Any]: ...
    @property
    def pins(self) -> Pins: ...
    @property
    def closure_digest(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Call:
    """A step that runs the playbook `slug`, and where it stands in the document."""

    step: str
    slug: str
    given: Mapping[str, Any]
    path: tuple[str | int, ...]


def calls_in(document: Mapping[str, Any]) -> Iterator[Call]:
    """The steps on every level that run another playbook, in the order written."""
    return _calls(document["steps"], ())


def pins_of(document: Mapping[str, Any], in_force: Mapping[str, Published]) -> dict[str, dict[str, Any]]:
    """{slug: {"version": id, "number": n, "digest": closure digest, "levels": n}} of all that is in force.

    `digest` and `levels` are those of the pinned version with all that it runs in turn.
    """
    slugs = sorted({call.slug for call in calls_in(document)} & in_force.keys())
    return {slug: _pin(in_force[slug]) for slug in slugs}


def closure_digest(document_digest: str, pins: Pins) -> str:
    """SHA-256 over the RFC 8785 form of a version with everything that it runs, directly or not."""
    return digest(
        {"document": document_digest, "pins": {slug: pin["digest"] for slug, pin in sorted(pins.items())}}
    )


def levels(pins: Pins) -> int:
    """How many playbooks deep a version with these pins goes, itself included."""
    return 1 + max((pin["levels"] for pin in pins.values()), default=0)


def call_findings(document: Mapping[str, Any], in_force: Mapping[str, Published]) -> Iterator[Finding]:
    """Why a version cannot be published with what is in force now, each at its step."""
    calls = list(calls_in(document))
    if (many := len({call.slug for call in calls})) > MAX_PINS:
        yield Finding(
            ("steps",), f"the steps run {many} other playbooks; there can be {MAX_PINS}", at_key=True
        )
    for call in calls:
        target = in_force.get(call.slug)
        if target is None:
            sentence = f"step '{call.step}' runs {call.slug}, which has no published version"
            yield Finding((*call.path, "run"), sentence)
        else:
            yield from _level_findings(call, target)
            yield from _input_findings(call, target.document.get("inputs", {}))


def _calls(steps: list[Mapping[str, Any]], path: tuple[str | int, ...]) -> Iterator[Call]:
    for index, step in enumerate(steps):
        at = (*path, "steps", index)
        if "run" in step:
            yield Call(step["id"], step["run"], step.get("with", {}), at)
        yield from _calls(step.get("steps", []), at)


def _pin(version: Published) -> dict[str, Any]:
    return {
        "version": str(version.pk),
        "number": version.number,
        "digest": version.closure_digest,
        "levels": levels(version.pins),
    }


def _level_findings(call: Call, target: Published) -> Iterator[Finding]:
    deep = 1 + levels(target.pins)
    if deep > MAX_LEVELS:
        sentence = (
            f"step '{call.step}' runs {call.slug}, which makes {deep} playbooks inside each other; "
            f"there can be {MAX_LEVELS}"
        )
        yield Finding((*call.path, "run"), sentence)


def _input_findings(call: Call, declared: Mapping[str, Any]) -> Iterator[Finding]:
    """Names that are missing or unknown, and constants of another type; an expression's type only a run knows."""
    at = (*call.path, "with")
    for name in call.given:
        if name not in declared:
            sentence = f"step '{call.step}': {call.slug} has no input '{name}'{nearest(name, declared)}"
            yield Finding((*at, name), sentence, at_key=True)
    for name, spec in declared.items():
        if name not in call.given and "default" not in spec:
            yield Finding(at, f"step '{call.step}': {call.slug} needs the input '{name}'", at_key=True)
    constants = {
        name: value for name, value in call.given.items() if name in declared and not _computed(value)
    }
    inputs = {name: Input.model_validate(declared[name]) for name in constants}
    for name, problem in accept_inputs(inputs, constants, default=lambda value: value)[1]:
        yield Finding((*at, name), f"step '{call.step}', input '{name}' of {call.slug}: {problem}")


def _computed(value: object) -> bool:
    return any(True for _ in sources(value))
