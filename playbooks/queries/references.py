"""How a view names other objects: enough for a link and its text."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from playbooks.domain.roles import ROLES
from playbooks.domain.seats import ON_CALL, OWNER_OF
from playbooks.models import Alert, Case, PlaybookVersion, Principal


@dataclass(frozen=True, slots=True)
class Person:
    id: UUID
    username: str
    name: str


@dataclass(frozen=True, slots=True)
class CaseReference:
    """`reference` is the short name to speak about, such as C-3F09A1."""

    id: UUID
    reference: str
    title: str


@dataclass(frozen=True, slots=True)
class AlertReference:
    id: UUID
    title: str
    severity: int


@dataclass(frozen=True, slots=True)
class VersionReference:
    playbook: str
    title: str
    number: int
    digest: str


def person(principal: Principal | None) -> Person | None:
    return known(principal) if principal else None


def known(principal: Principal) -> Person:
    return Person(principal.pk, principal.username, str(principal))


def case(row: Case) -> CaseReference:
    return CaseReference(row.pk, row.reference, row.title)


def alert(row: Alert | None) -> AlertReference | None:
    return AlertReference(row.pk, row.title, row.severity) if row else None


def version(row: PlaybookVersion) -> VersionReference:
    return VersionReference(row.playbook.slug, row.playbook.title, row.number, row.digest)


def role_title(slug: str) -> str:
    """The title of a built-in role; a role of the installation's own has its slug only. Of a seat that is no role
    (domain/seat_names.py) who is meant.
    """
    if slug.startswith(ON_CALL):
        return f"On call: {slug.removeprefix(ON_CALL)}"
    if slug.startswith(OWNER_OF):
        return f"Owner of {slug.removeprefix(OWNER_OF)}"
    return ROLES[slug].title if slug in ROLES else slug
