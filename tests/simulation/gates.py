"""No step behind a gate ran without that gate's granted request covering it: read from the log alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from playbooks.domain.actions import Effect
from playbooks.domain.frames import enclosing, frame_of, key_in, name_of
from playbooks.domain.future_calls import unknown_keys
from playbooks.domain.planner import CONDITION
from playbooks.domain.statuses import StepStatus
from playbooks.domain.verbs import Verb
from playbooks.models import Step
from playbooks.operations.definitions import Definition
from tests.cast import Cast
from tests.simulation.history import Happening


def problems_of_gates(
    cast: Cast, definition: Definition, steps: Sequence[Step], history: Sequence[Happening]
) -> Iterator[str]:
    rows = {step.key: step for step in steps if step.round == 0}
    entitled = {"tier-2": str(cast.tier2.pk), "network-owner": str(cast.netowner.pk)}
    for claim in history:
        if claim.verb != Verb.STEP_CLAIMED or claim.round or claim.facts["effect"] == Effect.READ:
            continue
        for gate in _gates(definition, claim.step, rows):
            if _asks_for_nothing(rows[gate], claim):
                continue
            before = [each for each in history if each.at < claim.at and each.step == gate]
            problem = _problem(claim, before, entitled)
            if problem:
                yield f"{claim.step} ran behind {gate}: {problem}"


def _asks_for_nothing(gate: Step, claim: Happening) -> bool:
    left_out = gate.status == StepStatus.SKIPPED and gate.sentence == CONDITION
    return left_out or (gate.status != StepStatus.SUCCEEDED and claim.facts["effect"] == Effect.MESSAGE)


def _gates(definition: Definition, step: str, rows: Mapping[str, Step]) -> set[str]:
    """The nearest gates upstream, in the frame of the step or around it."""
    frames = (frame_of(step), *enclosing(frame_of(step)))
    found = (key_in(frame, gate) for gate in definition.gates[name_of(step)] for frame in frames)
    return {key for key in found if key in rows}


def _problem(claim: Happening, before: Sequence[Happening], entitled: Mapping[str, str]) -> str:
    """`before` is what the log said about the gate's requests before the claim."""
    opened = [each for each in before if each.verb == Verb.REQUEST_OPENED]
    if not opened:
        return "nobody was ever asked."
    request = opened[-1].facts
    told = [each for each in before if each.facts.get("request") == request["request"]]
    if not any(each.verb == Verb.REQUEST_GRANTED for each in told):
        return "the request was not granted."
    if any(each.verb == Verb.REQUEST_VOIDED for each in told):
        return "the request was void."
    seats = {entitled[seat["role"]] for seat in request["seats"]}
    approved = {each.actor for each in told if each.verb == Verb.DECISION_MADE and each.outcome == "approve"}
    if seats != approved:
        return "others than the entitled people approved it."
    return _difference(claim, request)


def _difference(claim: Happening, request: Mapping[str, Any]) -> str:
    """What could not be shown may run; what was shown runs as it was shown."""
    subject = json.loads(request["subject"]) if isinstance(request["subject"], str) else None
    if subject is None or not set(unknown_keys(claim.step)).isdisjoint(subject["not_covered"]):
        return "" if claim.facts["effect"] != Effect.DESTROY else "it destroys and was not shown."
    shown = next((item for item in subject["covered"] if item["step"] == claim.step), None)
    if shown is None or request["digest"] not in claim.facts["subject_digests"]:
        return "the request does not cover it."
    return (
        "" if shown["parameters"] == claim.facts["parameters"] else "it sent something else than was shown."
    )
