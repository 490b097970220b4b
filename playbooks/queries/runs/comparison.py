"""Two runs of the same playbook, step by step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Max, Min

from playbooks.domain.governance import side_of
from playbooks.domain.waiting import Turns
from playbooks.models import Principal, Run, Step
from playbooks.queries.differences import DifferencesView, differences_view
from playbooks.queries.runs.rows import RunRow, row, runs, with_documents
from playbooks.queries.runs.turns import counted


@dataclass(frozen=True, slots=True)
class Side:
    """One run's part of a step. `began_at` is when its first attempt did, None for a step that makes none."""

    status: str
    began_at: datetime | None
    ended_at: datetime | None
    sentence: str
    turns: Turns | None


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that the two runs have differently; None where a run has none."""

    name: str
    a: Any
    b: Any


@dataclass(frozen=True, slots=True)
class StepComparison:
    """A step of the playbook in both runs; None where a run's version has no such step."""

    step: str
    title: str
    a: Side | None
    b: Side | None
    outputs: tuple[Difference, ...]

    @property
    def differs(self) -> bool:
        one, other = self.a and self.a.status, self.b and self.b.status
        return one != other or bool(self.outputs)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`version` says how the playbook changed between the two, None where both ran the same version."""

    a: RunRow
    b: RunRow
    inputs: tuple[Difference, ...]
    steps: tuple[StepComparison, ...]
    version: DifferencesView | None


def comparison(a: UUID, b: UUID, person: Principal) -> Comparison | None:
    """None where the person may not know of both, or they are not of the same playbook."""
    found = {run.pk: run for run in with_documents(runs(person)).filter(pk__in=[a, b])}
    if a not in found or b not in found:
        return None
    one, other = found[a], found[b]
    if one.version.playbook_id != other.version.playbook_id:
        return None
    return Comparison(
        row(one),
        row(other),
        inputs=_differences(one.inputs, other.inputs),
        steps=_steps(one, other),
        version=_version(one, other, person),
    )


def _version(one: Run, other: Run, person: Principal) -> DifferencesView | None:
    if one.version_id == other.version_id:
        return None
    return differences_view(one.version.playbook.slug, one.version.number, other.version.number, person)


def _steps(one: Run, other: Run) -> tuple[StepComparison, ...]:
    """In the order of the newer run, then what only the older one has."""
    a, b = _of_run(one), _of_run(other)
    titles = {**_titles(one), **_titles(other)}
    return tuple(
        StepComparison(
            key,
            titles.get(key) or key,
            a[key][0] if key in a else None,
            b[key][0] if key in b else None,
            _differences(a[key][1], b[key][1]) if key in a and key in b else (),
        )
        for key in dict.fromkeys([*b, *a])
    )


def _of_run(run: Run) -> dict[str, tuple[Side, Mapping[str, Any]]]:
    rows = Step.objects.filter(run=run, round=0, frame="").order_by("position")
    timed = list(rows.annotate(began=Min("attempts__started_at"), ended=Max("attempts__ended_at")))
    turns = counted(each.pk for each in timed if each.kind in {"each", "repeat"})
    return {
        each.key: (
            Side(each.status, each.began, each.ended, each.sentence, turns.get(each.pk)),
            each.outputs,
        )
        for each in timed
    }


def _titles(run: Run) -> dict[str, str]:
    return {name: body.get("title", "") for name, body in side_of(run.version.document, {}).steps.items()}


def _differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[Difference, ...]:
    return tuple(
        Difference(name, a.get(name), b.get(name))
        for name in dict.fromkeys([*a, *b])
        if (name in a, _text(a.get(name))) != (name in b, _text(b.get(name)))
    )


def _text(value: object) -> str:
    """In Python true is 1; as JSON it is not."""
    return json.dumps(value, sort_keys=True)
