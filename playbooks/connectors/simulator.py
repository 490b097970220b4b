"""What a connector would answer, without one: for dry runs and the demo.

Pure. The simulated world is plain JSON, which the executor keeps for a run: for each target, the actions that
stand there, each with the action that takes it back. It starts empty, and an action's `example` is its answer
about a target on which nothing stands: one that takes something back finds nothing there (`changed` False).
"""

from __future__ import annotations

from collections.abc import Mapping

from playbooks.domain.actions import Action, Effect, Undo
from playbooks.domain.outcomes import Outcome, Succeeded

State = Mapping[str, object]


def simulate(action: Action, inputs: Mapping[str, object], state: State) -> tuple[Outcome, State]:
    """The outcome and the state after it; `state` itself is left as it is.

    The outputs are those of the example, with the inputs in the place of outputs of the same name.
    """
    outputs = {**action.example, **{name: each for name, each in inputs.items() if name in action.example}}
    if action.effect in {Effect.READ, Effect.MESSAGE}:
        return Succeeded(outputs), state
    place = f"{action.connector}:{inputs.get(action.target)}"
    standing = _standing(state, place)
    changed, after = _applied(action, standing)
    return Succeeded({**outputs, "changed": changed}), _with(state, place, after)


def _applied(action: Action, standing: Mapping[str, str]) -> tuple[bool, Mapping[str, str]]:
    """Whether the action changes a target with these actions standing, and which stand then."""
    if isinstance(action.undo, Undo):
        return action.key not in standing, {**standing, action.key: action.undo.action}
    left = {done: taken_back_by for done, taken_back_by in standing.items() if taken_back_by != action.key}
    return left != standing or action.example.get("changed") is True, left


def _standing(state: State, place: str) -> dict[str, str]:
    found = state.get(place)
    return {str(done): str(undo) for done, undo in found.items()} if isinstance(found, Mapping) else {}


def _with(state: State, place: str, standing: Mapping[str, str]) -> State:
    others = {key: each for key, each in state.items() if key != place}
    return {**others, place: dict(standing)} if standing else others
