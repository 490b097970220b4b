"""Objects that belong to a team and on which rights are given one by one: cases, playbooks, connections, sources."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.core.exceptions import ValidationError

from playbooks.access.grants import GRANTS
from playbooks.audit import Stream, Subject
from playbooks.models import ApprovalRequest, Case, Connection, Playbook, Source
from playbooks.operations.caller import Caller
from playbooks.operations.refusals import Invalid, Missing
from playbooks.operations.rights import open_requests

Owned = Case | Playbook | Connection | Source

KINDS = {tables.kind: model for model, tables in GRANTS.items()}


def object_named(kind: str, key: str, *, caller: Caller) -> Owned:
    """The object, locked. Raises Invalid for an unknown kind, Missing for an unknown one, Hidden beyond reach."""
    if kind not in KINDS:
        raise Invalid([("/kind", f"A kind is one of {', '.join(KINDS)}.")])
    model = cast("type[Owned]", KINDS[kind])
    try:
        found = model._default_manager.select_for_update().filter(**{GRANTS[model].key: key}).first()
    except (ValidationError, ValueError):
        found = None
    if found is None:
        raise Missing(f"There is no {kind} {key[:100]}.")
    caller.require_within_reach(found, f"{kind} {key}")
    return found


def kind_of(row: Owned) -> str:
    return GRANTS[type(row)].kind


def stream_of(row: Owned) -> Stream:
    return Stream(kind_of(row), str(row.pk))


def subject_of(row: Owned) -> Subject:
    return Subject(kind_of(row), str(row.pk), str(row))


def requests_about(row: Owned) -> list[ApprovalRequest]:
    """The open requests whose deciders depend on who reaches the object."""
    if isinstance(row, Case):
        return open_requests(run__case=row)
    return open_requests(run__version__playbook=row) if isinstance(row, Playbook) else []


def requests_of_team(team: UUID) -> list[ApprovalRequest]:
    of_case = open_requests(run__case__team=team)
    known = {each.pk for each in of_case}
    also = open_requests(run__version__playbook__team=team)
    return [*of_case, *(each for each in also if each.pk not in known)]
