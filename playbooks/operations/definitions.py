"""The parsed form of a version, kept per process: versions never change once they are out of the draft."""

from __future__ import annotations

from functools import lru_cache
from uuid import UUID

from playbooks.domain.definition import Definition, defined
from playbooks.domain.playbook import Playbook
from playbooks.models import PlaybookVersion

__all__ = ["Definition", "definition_of"]


def definition_of(version: UUID) -> Definition:
    """The definition of a version. Raises PlaybookVersion.DoesNotExist."""
    return _definition(version)


@lru_cache(maxsize=256)
def _definition(version: UUID) -> Definition:
    row = PlaybookVersion.objects.get(pk=version)
    return defined(
        Playbook.model_validate(row.document),
        digest=row.closure_digest if row.pins else row.digest,
        number=row.number,
        pins=row.pins,
    )
