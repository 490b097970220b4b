"""What a connector would answer, without one: for dry runs and the demo.

Pure. The simulated world is plain JSON, which the executor keeps for a run: for each target, the actions that
stand there, each with the action that takes it back. It starts empty, and an action's `example` is its answer
about a target on which nothing stands: one that takes something back finds nothing there (`changed` False).

A job answers Pending once, and does its work when it is asked how it is: so simulated runs take the way through
waiting, polling and stopping that real ones take. What is pure (Action.is_pure) is performed, not simulated.
"""

from __future__ import annotations

from collections.abc import Mapping

from playbooks.domain.actions import Action, Effect, Undo
from playbooks.domain.outcomes import Failed, Outcome, Pending, Succeeded

State = Mapping[str, object]

HANDLE = {"simulated": True}
POLL_AFTER = 1.0  # seconds


def simulate(action: Action, inputs: Mapping[str, object], state: State) -> tuple[Outcome, State]:
    """The outcome and the state after it; `state` itself is left as it is. Raises ValueError for what is pure."""
    if action.is_pure:
        raise ValueError(f"{action.key} is pure: it is performed, never simulated")
    if action.is_job:
        return Pending(HANDLE, POLL_AFTER, "The simulated job goes on."), state
    return simulate_end(action, inputs, state)


def simulate_end(action: Action, inputs: Mapping[str, object], state: State) -> tuple[Outcome, State]:
    """How an action ends, or a job that is asked how it is.

    The outputs are those of the example, with the inputs, but no secret one, in the place of outputs of the same name.
    """
    shown = action.example.keys() & inputs.keys() - action.secret_inputs
    outputs = {**action.example, **{name: inputs[name] for name in shown}}
    if action.effect in {Effect.READ, Effect.MESSAGE}:
        return Succeeded(outputs), state
    place = f"{action.connector}:{inputs.get(action.target)}"
    standing = _standing(state, place)
    changed, after = _applied(action, standing)
    return Succeeded({**outputs, "changed": changed}), _with(state, place, after)


def simulate_cancel(action: Action) -> Outcome:
    """How a job ends that is asked to stop: it has done nothing yet."""
    return Failed(f"The simulated job of {action.key} was stopped before it did anything.", permanent=True)


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
