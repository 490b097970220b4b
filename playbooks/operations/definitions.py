"""The parsed form of a version, kept per process: versions never change once they are out of the draft."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from playbooks.domain.planner import Node
from playbooks.domain.playbook import Playbook, Step, needs_of
from playbooks.models import PlaybookVersion


@dataclass(frozen=True, slots=True)
class Definition:
    playbook: Playbook
    digest: str
    slug: str
    number: int
    nodes: tuple[Node, ...]
    steps: Mapping[str, Step]

    @property
    def needs(self) -> dict[str, tuple[str, ...]]:
        return {node.key: node.needs for node in self.nodes}


def definition_of(version: UUID) -> Definition:
    """The definition of a version. Raises PlaybookVersion.DoesNotExist."""
    return _definition(version)


@lru_cache(maxsize=256)
def _definition(version: UUID) -> Definition:
    row = PlaybookVersion.objects.select_related("playbook").get(pk=version)
    playbook = Playbook.model_validate(row.document)
    needs = needs_of(playbook)
    return Definition(
        playbook=playbook,
        digest=row.digest,
        slug=row.playbook.slug,
        number=row.number,
        nodes=tuple(_node(step, needs[step.id]) for step in playbook.steps),
        steps={step.id: step for step in playbook.steps},
    )


def _node(step: Step, needs: tuple[str, ...]) -> Node:
    return Node(
        key=step.id,
        kind=step.kind,
        needs=needs,
        after=step.after,
        when=step.when,
        forgives=step.continue_on_failure,
    )
