"""Connections without their secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from playbooks import access
from playbooks.connectors.registry import CONNECTORS
from playbooks.domain.limits import Limits
from playbooks.models import Connection, Principal, unseal
from playbooks.queries import references
from playbooks.queries.references import Person


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """`secrets` are the names of those that are set; no value of a secret is ever shown."""

    id: UUID
    name: str
    connector: str
    connector_label: str
    settings: Mapping[str, Any]
    secrets: tuple[str, ...]
    revision: int
    environment: str
    owner: Person | None
    simulated: bool
    limits: Limits
    created_at: datetime
    changed_at: datetime


def connections(person: Principal) -> QuerySet[Connection]:
    """The connections that the person may see, by name."""
    rows = access.visible(person, "see_connection", Connection.objects.all())
    return rows.select_related("owner").order_by("name")


def view(connection: Connection) -> ConnectionView:
    connector = CONNECTORS.get(connection.connector)
    return ConnectionView(
        id=connection.pk,
        name=connection.name,
        connector=connection.connector,
        connector_label=connector.label if connector else connection.connector,
        settings=connection.settings,
        secrets=tuple(sorted(unseal(bytes(connection.sealed)))),
        revision=connection.revision,
        environment=connection.environment,
        owner=references.person(connection.owner),
        simulated=connection.is_simulated,
        limits=Limits(**{each.name: getattr(connection, each.name) for each in fields(Limits)}),
        created_at=connection.created_at,
        changed_at=connection.changed_at,
    )
