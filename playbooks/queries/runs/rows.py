"""Runs as rows of a list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from playbooks import access
from playbooks.models import Principal, Run
from playbooks.queries import references
from playbooks.queries.references import AlertReference, CaseReference, Person, VersionReference

# Of versions: they are large, and no list shows them.
_TEXTS = tuple(
    f"{of}version__{text}" for of in ("", "parent__run__") for text in ("document", "source", "pins")
)


@dataclass(frozen=True, slots=True)
class ParentReference:
    """The step that started a run; unless the run is `detached`, it waits for the run's end."""

    run: UUID
    step: str
    title: str
    detached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """`requested_by` is None for a run that an alert triggered. `sentence` says why it failed.

    `parent` is the step of another run that started it, `repeats` the run from whose failure it goes on.
    """

    id: UUID
    status: str
    version: VersionReference
    trigger: str
    requested_by: Person | None
    case: CaseReference
    alert: AlertReference | None
    simulated: bool
    parent: ParentReference | None
    repeats: UUID | None
    paused_at: datetime | None
    created_at: datetime
    ended_at: datetime | None
    sentence: str


def runs(person: Principal) -> QuerySet[Run]:
    """The runs that the person may see, newest first."""
    rows = access.visible(person, "see_run", Run.objects.all())
    about = ("version__playbook", "requested_by", "case", "alert", "parent__run__version__playbook")
    return rows.select_related(*about).defer(*_TEXTS).order_by("-created_at", "-pk")


def with_documents(rows: QuerySet[Run]) -> QuerySet[Run]:
    """The same with the documents of their versions."""
    return rows.defer(None).defer(*(each for each in _TEXTS if each != "version__document"))


def row(run: Run) -> RunRow:
    return RunRow(**head(run))


def head(run: Run) -> dict[str, Any]:
    """What a row and the view of one run have in common."""
    return {
        "id": run.pk,
        "status": run.status,
        "version": references.version(run.version),
        "trigger": run.trigger,
        "requested_by": references.person(run.requested_by),
        "case": references.case(run.case),
        "alert": references.alert(run.alert),
        "simulated": run.is_simulated,
        "parent": _parent(run),
        "repeats": run.repeats_id,
        "paused_at": run.paused_at,
        "created_at": run.created_at,
        "ended_at": run.ended_at,
        "sentence": run.sentence,
    }


def _parent(run: Run) -> ParentReference | None:
    step = run.parent
    if step is None:
        return None
    return ParentReference(step.run_id, step.key, step.run.version.playbook.title, run.is_detached)
