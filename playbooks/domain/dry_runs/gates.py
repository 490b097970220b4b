"""Approvals in a dry run: what would be asked, what a granted request lets run, and when it would be asked again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from playbooks.domain.actions import Effect
from playbooks.domain.deadlines import deadline
from playbooks.domain.dry_runs.ledger import LOOK_EVERY
from playbooks.domain.dry_runs.record import MOST_TURNS, WouldBeApproval
from playbooks.domain.dry_runs.walk import NOT_STARTED, LiveStep, Request, Target, Walk
from playbooks.domain.dry_runs.world import Call, Ruled
from playbooks.domain.expressions import ExpressionError, render
from playbooks.domain.frames import enclosing
from playbooks.domain.future_calls import FutureCall, calls_behind, unknown_keys
from playbooks.domain.planner import CONDITION
from playbooks.domain.policies.asking import (
    Asked,
    as_asked,
    beyond_limit,
    kept_and_new,
    own_question,
    seats_with,
    why_asked,
)
from playbooks.domain.policies.judging import Matched
from playbooks.domain.statuses import StepStatus
from playbooks.domain.subject import Covered, first_difference

DENIED = "Denied, as was chosen."
LATE = "Nobody decided in time, so it counts as denied."
STAYS_OPEN = {
    "escalate": "Nobody decided in time: it is escalated, again and again, until somebody does.",
    "hold": "Nobody decided in time: it stays open, marked as late, until somebody does.",
}
FIND_OWNER = "assets.find_owner"
HIDDEN = (
    "The gate {gate} could not show what this would destroy. Give the step a gate of its own, after the steps "
    "that its parameters come from."
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`status` is READY for a step that may run, WAITING, or FAILED with the sentence why it may not."""

    status: StepStatus
    sentence: str = ""


MAY_RUN = Verdict(StepStatus.READY)
WAITS = Verdict(StepStatus.WAITING)


def open_gate(walk: Walk, gate: LiveStep) -> None:
    """The gate waits for its request. Raises ExpressionError for a question that cannot be put."""
    request = _open(walk, gate, walk.moment, changed="")
    _wait_for(walk, gate, request, "")


def authorize(walk: Walk, step: LiveStep, call: Call | None, now: str) -> Verdict:
    """Whether the step may run: without a call, whether it may start the playbook that it runs."""
    effect = walk.world.effect(walk.definition, step.document)
    if effect == Effect.READ:
        return MAY_RUN
    ruled = _ruled(walk, call)
    if ruled.forbidden:
        return Verdict(StepStatus.FAILED, ruled.forbidden)
    for gate in _gates(walk, step):
        verdict = _verdict_of_gate(walk, step, gate, ruled.asking, now)
        if verdict is not MAY_RUN:
            return verdict
    return MAY_RUN if call is None else _verdict_of_itself(walk, step, call, ruled, now)


def frozen_at(walk: Walk, step: LiveStep) -> str:
    """The moment that the step's expressions see as `now`: that which its latest approval showed."""
    requests = [each.request for each in [*_gates(walk, step), step] if each.request is not None]
    return max(requests, key=lambda each: each.number).frozen_at if requests else walk.moment


def shown_to_people(step: LiveStep) -> dict[str, Any]:
    """The outputs of the steps that a gate or a question shows: {step: outputs}."""
    known = step.frame.known()
    return {
        name: dict(known[name].outputs)
        for name in step.document.show
        if known[name].status is StepStatus.SUCCEEDED
    }


def _gates(walk: Walk, step: LiveStep) -> list[LiveStep]:
    ids = walk.definition.gates[step.document.id]
    known = step.frame.known() if ids else {}
    return [known[gate] for gate in ids]


def _ruled(walk: Walk, call: Call | None) -> Ruled:
    if call is None:
        return Ruled()
    changed = walk.ledger.targets(call.place)
    return walk.world.ruled(call, walk.context, _owners(walk), changed, walk.now)


def _owners(walk: Walk) -> dict[str, object]:
    """Whom targets belong to, by what the steps before have asked the asset list."""
    asked = [step for step in walk.steps.values() if step.document.do == FIND_OWNER]
    return {str(step.outputs.get("address")): step.outputs.get("owner", "") for step in asked}


def _verdict_of_gate(
    walk: Walk, step: LiveStep, gate: LiveStep, asking: Sequence[Matched], now: str
) -> Verdict:
    effect = walk.world.effect(walk.definition, step.document)
    if gate.status is not StepStatus.SUCCEEDED:
        return _past_closed_gate(walk, gate, effect)
    if gate.request is None:
        return Verdict(StepStatus.FAILED, f"No approval of the gate {gate.key} is in force.")
    return _verdict_of_request(walk, step, gate.request, asking, now)


def _past_closed_gate(walk: Walk, gate: LiveStep, effect: str) -> Verdict:
    """A gate that its own condition left out asks for nothing, and does not stand before those that come before it.
    Past any other that did not open, people may be told.
    """
    if gate.status is StepStatus.SUCCEEDED or effect == Effect.MESSAGE:
        return MAY_RUN
    if gate.status is StepStatus.SKIPPED and gate.sentence == CONDITION:
        verdicts = (_past_closed_gate(walk, before, effect) for before in _gates(walk, gate))
        return next((each for each in verdicts if each is not MAY_RUN), MAY_RUN)
    return Verdict(StepStatus.FAILED, f"The gate {gate.key} did not open, so this cannot run.")


def _verdict_of_itself(walk: Walk, step: LiveStep, call: Call, ruled: Ruled, now: str) -> Verdict:
    """What no gate has approved, and what goes beyond a limit, is asked about by itself."""
    wants_seats = any(each.seats for each in ruled.asking)
    is_own = not _is_shown_by_a_gate(walk, step)
    asking = [*(ruled.asking if wants_seats else ()), *ruled.afterwards] if is_own else []
    if asking and ruled.is_permitted:
        return MAY_RUN
    if role := walk.world.beyond_limit(call, walk.ledger.targets(call.place)):
        asking.append(beyond_limit(role))
    if step.request is not None:
        return _verdict_of_request(walk, step, step.request, asking, now)
    if not asking:
        return MAY_RUN
    asked = as_asked(asking)
    request = _open(walk, step, walk.moment, changed=why_asked(asked), kept=asked)
    _wait_for(walk, step, request, why_asked(request.policies))
    return WAITS


def _is_shown_by_a_gate(walk: Walk, step: LiveStep) -> bool:
    requests = [gate.request for gate in _gates(walk, step) if gate.status is StepStatus.SUCCEEDED]
    return any(each is not None and _shows(each, step) for each in requests)


def _shows(request: Request, step: LiveStep) -> bool:
    return set(unknown_keys(step.key)).isdisjoint(request.not_covered)


def _verdict_of_request(
    walk: Walk, step: LiveStep, request: Request, asking: Sequence[Matched], now: str
) -> Verdict:
    gate, is_shown = request.asking, _shows(request, step)
    if not is_shown and walk.world.effect(walk.definition, step.document) == Effect.DESTROY:
        return Verdict(StepStatus.FAILED, HIDDEN.format(gate=gate.key))
    if is_shown and (changed := _difference(walk, step, request, asking, now)):
        _wait_for(
            walk, step, request, f"Changed since it was approved: {changed}. It has to be approved again."
        )
        _renew(walk, request, asking, changed, now)
        return WAITS
    if request.is_open:
        _wait_for(walk, step, request, f"The gate {gate.key} is asked about again.")
        return WAITS
    return MAY_RUN


def _difference(walk: Walk, step: LiveStep, request: Request, asking: Sequence[Matched], now: str) -> str:
    document = step.document
    sent = walk.world.covered(walk.definition, document, step.frame.scope(now), step.key)
    policies = kept_and_new(request.policies, request.seats, asking)
    return first_difference(
        request.covered.get(step.key), sent.as_json(), f"covered.{step.key}"
    ) or first_difference(request.policies, policies, "policies")


def _renew(walk: Walk, request: Request, asking: Sequence[Matched], changed: str, now: str) -> None:
    """It is asked again about what it says now; whoever waited for it waits for the new one."""
    kept = kept_and_new(request.policies, request.seats, asking)
    renewed = _open(walk, request.asking, now, changed=changed, kept=kept)
    renewed.waiting, request.waiting = request.waiting, []


def _take_waiting(request: Request) -> list[LiveStep]:
    """Who still waits for the request, and now no more."""
    waiting, request.waiting = request.waiting, []
    return [each for each in waiting if each.status is StepStatus.WAITING]


def _wait_for(walk: Walk, step: LiveStep, request: Request, sentence: str) -> None:
    walk.wait(step, sentence)
    request.waiting.append(step)


def _open(walk: Walk, asking: LiveStep, now: str, *, changed: str, kept: Asked | None = None) -> Request:
    """`kept` is what policies have asked before, or what somebody else asks."""
    document, is_gate = asking.document, asking.document.kind == "approve"
    own = walk.world.seats(walk.definition, document) if is_gate else ()
    items, unknown = _compose(walk, asking, now)
    asked = walk.world.asked(list(items.values()), walk.context, _owners(walk), walk.now)
    policies = as_asked(asked) if kept is None else kept_and_new(kept, seats_with(own, kept), asked)
    question = (
        str(render(document.approve, asking.frame.scope(now)))
        if is_gate
        else own_question(asking.key, policies)
    )
    walk.requests += 1
    covered = {key: item.as_json() for key, item in items.items()}
    seats = tuple(seats_with(own, policies))
    request = Request(asking, seats, now, walk.requests, covered, unknown, policies)
    asking.request = request
    _note(walk, request, question, changed)
    _schedule(walk, request)
    return request


def _compose(walk: Walk, asking: LiveStep, now: str) -> tuple[dict[str, Covered], list[str]]:
    """What is still to run behind the gate, turn by turn, by its key; and the keys of what is not known yet."""
    covered: dict[str, Covered] = {}
    unknown: list[str] = []
    for number, call in enumerate(_calls(walk, asking, now)):
        if number % LOOK_EVERY == 0:
            walk.ledger.look(walk.world)
        live = walk.steps.get(call.key)
        if live is not None and live.status not in NOT_STARTED:
            continue
        try:
            covered[call.key] = _item(walk, call)
        except ExpressionError:
            unknown.append(call.key)
    return covered, unknown


def _calls(walk: Walk, asking: LiveStep, now: str) -> Iterator[FutureCall]:
    document = asking.document
    ids = walk.world.covering(walk.definition, document.id) if document.kind == "approve" else (document.id,)
    return calls_behind(walk.definition, asking.frame.path, asking.frame.scope(now), ids)


def _item(walk: Walk, call: FutureCall) -> Covered:
    if call.scope is None:
        raise ExpressionError("How often this runs is not known yet.")
    return walk.world.covered(walk.definition, call.document, call.scope, call.key)


def _note(walk: Walk, request: Request, question: str, changed: str) -> None:
    asking = request.asking
    if not walk.ledger.has_room("approvals", is_shown=asking.frame.is_shown):
        return
    walk.ledger.approvals.append(
        WouldBeApproval(
            step=walk.place(asking),
            playbook=walk.definition.slug,
            number=walk.definition.number,
            question=question,
            seats=request.seats,
            at=walk.now,
            due_at=_due_at(walk, asking),
            late=asking.document.late,
            shown=shown_to_people(asking),
            covered=tuple(request.covered.values())[:MOST_TURNS],
            covered_count=len(request.covered),
            not_covered=tuple(request.not_covered[:MOST_TURNS]),
            policies=tuple(request.policies),
            changed=changed,
            chosen=_chosen(walk, asking),
            answered_before=tuple(walk.answered),
        )
    )


def _due_at(walk: Walk, asking: LiveStep) -> datetime:
    return deadline(asking.document, walk.context, walk.now)


def _chosen(walk: Walk, asking: LiveStep) -> str:
    """A step that asks for itself, beyond a limit, is approved."""
    return (walk.choices.word(asking.key) if asking.document.kind == "approve" else "") or "approve"


def _schedule(walk: Walk, request: Request) -> None:
    chosen = _chosen(walk, request.asking)
    late = request.asking.document.late
    at = _due_at(walk, request.asking) if chosen == "late" else walk.now
    if chosen == "approve":
        walk.schedule(at, lambda: _grant(walk, request))
    elif chosen == "deny":
        walk.schedule(at, lambda: _deny(walk, request, DENIED))
    elif late == "deny":
        walk.schedule(at, lambda: _deny(walk, request, LATE))
    else:
        walk.schedule(at, lambda: _stay_open(request, STAYS_OPEN[late]))


def _grant(walk: Walk, request: Request) -> Sequence[Target]:
    """Nothing happens to a request in whose place another one was opened: nobody waits for it."""
    request.is_open = False
    approvers = [f"somebody with the role {role}" for role in request.seats]
    for step in _take_waiting(request):
        if step is request.asking and step.document.kind == "approve":
            walk.end(step, StepStatus.SUCCEEDED, outputs={"approvers": approvers})
        else:
            walk.make_ready(step)
    return [request.asking.frame]


def _deny(walk: Walk, request: Request, sentence: str) -> Sequence[Target]:
    request.is_open = False
    if request.asking.request is request:
        request.asking.request = None
    waiting = _take_waiting(request)
    for step in waiting:
        walk.end(step, StepStatus.FAILED, sentence)
    frames = {id(step.frame): step.frame for step in waiting}
    return sorted(frames.values(), key=lambda frame: len(enclosing(frame.path)), reverse=True)


def _stay_open(request: Request, sentence: str) -> Sequence[Target]:
    for step in request.waiting:
        step.sentence = sentence
    return ()
