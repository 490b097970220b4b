"""The control flow of playbooks of other engines, run by our planner with any outcome of any step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random

import pytest

from playbooks.domain.check import check
from playbooks.domain.planner import Node, State, plan
from playbooks.domain.statuses import STEP_ENDED, StepStatus
from tests.domain.foreign import Edge, nodes_of, of_bpmn, of_cacao, of_splunk, of_xsoar, without_loops
from tests.servers import CORPORA

Read = Callable[[Path], tuple[list[Edge], set[str]]]
ROUNDS = 10
LEFT = {StepStatus.SKIPPED}
ENGINES: dict[str, tuple[str, Read]] = {
    "cacao-v2": ("**/*.json", of_cacao),
    "xsoar": ("*.yml", of_xsoar),
    "splunk-soar": ("*.json", of_splunk),
    "bpmn-cisa": ("*.bpmn", of_bpmn),
}


def flows(engine: str) -> list[tuple[str, list[Edge], set[str]]]:
    """The graphs of the engine's files that have any, by name."""
    pattern, read = ENGINES[engine]
    found = []
    for path in sorted((Path(CORPORA) / engine).glob(pattern)):
        if "invalid" in path.parts:
            continue
        edges, forgiving = read(path)
        found.append((path.name, edges, forgiving))
    return [each for each in found if each[1]]


class Play:
    """One run of a graph. `chosen` is the way out of each choice, `options` those of each filter."""

    def __init__(self, nodes: Sequence[Node], random: Random) -> None:
        self.nodes = {node.key: node for node in nodes}
        self.states = {node.key: State(StepStatus.PENDING, {}) for node in nodes}
        self._random = random
        ways = [key.split("|") for key in self.nodes if "|choice|" in key]
        labels = {source: sorted(way[2] for way in ways if way[0] == source) for source, *_ in ways}
        self._chosen = {source: random.choice(among) for source, among in sorted(labels.items())}

    def run(self) -> None:
        for _ in range(len(self.nodes) + 1):
            moves = plan(tuple(self.nodes.values()), self.states, condition=self._holds, values=lambda *_: {})
            for move in moves:
                self._waited_for_all(move.key)
                self.states[move.key] = State(move.status, {})
            running = sorted(key for key, state in self.states.items() if state.status is StepStatus.READY)
            if not running:
                return
            ended = StepStatus.FAILED if self._random.random() < 0.1 else StepStatus.SUCCEEDED
            self.states[self._random.choice(running)] = State(ended, {})

    def is_taken(self, key: str) -> bool:
        """Whether this way out of a choice is the chosen one."""
        source, _, label = key.split("|")
        return self._chosen[source] == label

    def _holds(self, node: Node, _: Mapping[str, State]) -> bool:
        return self.is_taken(node.key) if "|choice|" in node.key else self._random.random() < 0.5

    def _waited_for_all(self, key: str) -> None:
        assert all(self.states[need].status in STEP_ENDED for need in self.nodes[key].needs)


@pytest.mark.needs_corpora
@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_every_run_of_a_foreign_shape_ends_waits_at_joins_and_leaves_out_the_other_branch(
    engine: str,
) -> None:
    shapes = flows(engine)
    assert len(shapes) >= 8
    for name, edges, forgiving in shapes:
        nodes = nodes_of(without_loops(edges), forgiving)
        for seed in range(ROUNDS):
            play = Play(nodes, Random(f"{name} {seed}"))
            play.run()
            statuses = {key: state.status for key, state in play.states.items()}
            assert set(statuses.values()) <= STEP_ENDED, (name, seed)
            for node in nodes:
                if "|choice|" in node.key and not play.is_taken(node.key):
                    assert statuses[node.key] is StepStatus.SKIPPED
                if node.needs and {statuses[need] for need in node.needs} == LEFT:
                    assert statuses[node.key] is StepStatus.SKIPPED, (name, seed, node.key)


@pytest.mark.needs_corpora
@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_every_foreign_shape_without_loops_is_a_playbook_of_ours(engine: str) -> None:
    shapes = flows(engine)
    acyclic = [each for each in shapes if without_loops(each[1]) == each[1]]
    assert acyclic
    for name, edges, forgiving in acyclic:
        nodes = nodes_of(edges, forgiving)
        steps = {each for edge in edges for each in (edge.source, edge.target)}
        assert steps <= {node.key for node in nodes}
        assert check(_text(nodes), {}).problems == (), name


def _text(nodes: Sequence[Node]) -> str:
    ids = {node.key: f"s{index}" for index, node in enumerate(nodes)}
    lines = ["playbook: foreign", "title: A foreign shape", "inputs: {way: {type: string}}", "steps:"]
    for node in nodes:
        needs = ", ".join(ids[need] for need in node.needs)
        when = ", when: inputs.way == 'x'" if node.when is not None else ""
        forgives = ", continue_on_failure: true" if node.forgives else ""
        lines.append(
            f"  - {{id: {ids[node.key]}, needs: [{needs}], after: {node.after}{when}{forgives}, set: {{}}}}"
        )
    return "\n".join(lines)
