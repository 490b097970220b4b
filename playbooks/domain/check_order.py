"""Who comes before whom: ids, needs, cycles, and what has ended when a step starts.

Each block has an order of its own: a step needs only steps of the block in which it is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from playbooks.domain.playbook import Placed, Playbook, needs_of, placed
from playbooks.domain.problems import Finding, nearest

MAX_CYCLES = 10  # reported in one round


def order_findings(playbook: Playbook) -> Iterator[Finding]:
    yield from _ids(playbook)
    yield from _needs(playbook)
    if has_unique_ids(playbook):
        yield from _cycles(playbook)


def has_unique_ids(playbook: Playbook) -> bool:
    places = placed(playbook)
    return len({place.step.id for place in places}) == len(places)


def is_ordered(playbook: Playbook) -> bool:
    """Whether the order can be told: every need is known, and no steps wait for each other."""
    return (
        has_unique_ids(playbook)
        and _known_needs(playbook) == needs_of(playbook)
        and not any(True for _ in _cycles(playbook))
    )


def upstream_of(playbook: Playbook) -> dict[str, frozenset[str]] | None:
    """Step id -> the ids of the steps of its own block and of those around it that end before it starts.

    None where the order cannot be told.
    """
    if not has_unique_ids(playbook):
        return None
    needs = _known_needs(playbook)
    upstream: dict[str, frozenset[str]] = {}
    try:
        for step in TopologicalSorter(needs).static_order():
            upstream[step] = frozenset(needs[step]).union(*(upstream[need] for need in needs[step]))
    except CycleError:
        return None
    for place in placed(playbook):  # outer blocks come first
        upstream[place.step.id] |= upstream.get(place.block, frozenset())
    return upstream


def _cycles(playbook: Playbook) -> Iterator[Finding]:
    """One finding for each of the first cycles, which share no step."""
    needs = _known_needs(playbook)
    places = placed(playbook)
    order = {place.step.id: index for index, place in enumerate(places)}
    for _ in range(MAX_CYCLES):
        try:
            TopologicalSorter(needs).prepare()
        except CycleError as error:
            cycle = _from_first(error.args[1], order)
            path = (*places[order[cycle[0]]].path, "needs")
            yield Finding(path, f"these steps wait for each other: {' → '.join(cycle)}")
            needs = {
                step: tuple(need for need in needed if need not in cycle)
                for step, needed in needs.items()
                if step not in cycle
            }
        else:
            return


def _from_first(cycle: list[str], order: Mapping[str, int]) -> list[str]:
    """The cycle from the step that is written first; graphlib gives it the other way round."""
    ring = cycle[:0:-1]
    start = min(range(len(ring)), key=lambda position: order[ring[position]])
    return [*ring[start:], *ring[:start], ring[start]]


def _known_needs(playbook: Playbook) -> dict[str, tuple[str, ...]]:
    """The needs without those that name no step of the same block, which are reported on their own."""
    block_of = {place.step.id: place.block for place in placed(playbook)}
    return {
        step: tuple(need for need in needed if block_of.get(need) == block_of[step])
        for step, needed in needs_of(playbook).items()
    }


def _ids(playbook: Playbook) -> Iterator[Finding]:
    seen: set[str] = set()
    for place in placed(playbook):
        if place.step.id in seen:
            message = f"the id '{place.step.id}' is used by an earlier step; each is unique in the playbook"
            yield Finding((*place.path, "id"), message)
        seen.add(place.step.id)


def _needs(playbook: Playbook) -> Iterator[Finding]:
    places = placed(playbook)
    block_of = {place.step.id: place.block for place in places}
    for place in places:
        for position, need in enumerate(place.step.needs or ()):
            if block_of.get(need) != place.block:
                yield Finding((*place.path, "needs", position), _unknown_need(place, need, block_of))


def _unknown_need(place: Placed, need: str, block_of: Mapping[str, str]) -> str:
    step = place.step.id
    if need not in block_of:
        own = [each for each, block in block_of.items() if block == place.block and each != step]
        return f"'{step}' needs '{need}', but no step has this id{nearest(need, own)}"
    where = f"inside '{block_of[need]}'" if block_of[need] else "outside of every block"
    return f"'{step}' needs '{need}', which is {where}; a step needs only steps of its own block"
