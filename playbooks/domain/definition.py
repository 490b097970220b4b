"""A playbook as the engine reads it: every step by its id, what holds it, what it needs, which gates answer for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from playbooks.domain.coverage import gates_of
from playbooks.domain.planner import Node
from playbooks.domain.playbook import Placed, Playbook, Step, needs_of, placed


@dataclass(frozen=True, slots=True)
class Definition:
    playbook: Playbook
    digest: str  # over the document and the versions that it pins
    slug: str
    number: int
    pins: Mapping[str, Mapping[str, object]]  # of the playbooks that it runs, by slug
    steps: Mapping[str, Step]  # on all levels, by id
    blocks: Mapping[str, tuple[str, ...]]  # the ids of the blocks that hold a step, the outermost first
    nodes: Mapping[str, tuple[Node, ...]]  # by the id of the block that holds them, "" at the top

    gates: Mapping[str, tuple[str, ...]]  # the gates that answer for a step, by its id

    @property
    def has_blocks(self) -> bool:
        return len(self.nodes) > 1


def defined(
    playbook: Playbook, *, digest: str, number: int, pins: Mapping[str, Mapping[str, object]]
) -> Definition:
    """The definition of a playbook that came through the check."""
    places = placed(playbook)
    return Definition(
        playbook=playbook,
        digest=digest,
        slug=playbook.playbook,
        number=number,
        pins=pins,
        steps={place.step.id: place.step for place in places},
        blocks={place.step.id: place.blocks for place in places},
        nodes=_nodes(playbook, places),
        gates={place.step.id: gates_of(playbook, place.step.id) for place in places},
    )


def _nodes(playbook: Playbook, places: Sequence[Placed]) -> dict[str, tuple[Node, ...]]:
    needs = needs_of(playbook)
    nodes: dict[str, list[Node]] = {}
    for place in places:
        nodes.setdefault(place.block, []).append(_node(place.step, needs[place.step.id]))
    return {block: tuple(held) for block, held in nodes.items()}


def _node(step: Step, needs: tuple[str, ...]) -> Node:
    return Node(
        key=step.id,
        kind=step.kind,
        needs=needs,
        after=step.after,
        when=step.when,
        forgives=step.continue_on_failure,
    )
