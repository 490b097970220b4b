"""The world that a dry run is told of: connections as they are, answers from examples, and nothing that is written.

What is pure is performed, since it touches nothing. What only reads is performed where the caller asked for it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import uuid4

from cryptography.fernet import InvalidToken
from django.db.models import Max
from django.utils import timezone

from playbooks import access
from playbooks.connectors import contract
from playbooks.connectors.simulator import simulate_end
from playbooks.domain.actions import Action, Effect
from playbooks.domain.coverage import covered_by
from playbooks.domain.definition import Definition
from playbooks.domain.dry_runs.ledger import GRAVE
from playbooks.domain.dry_runs.world import Answer, Ruled
from playbooks.domain.dry_runs.world import Call as CallInDomain
from playbooks.domain.durations import parse_duration
from playbooks.domain.expressions import ExpressionError
from playbooks.domain.outcomes import Failed, Outcome, Succeeded
from playbooks.domain.playbook import Step
from playbooks.domain.policies.asking import together
from playbooks.domain.policies.judging import Matched, judge
from playbooks.domain.policies.judging import Verdict as PolicyVerdict
from playbooks.domain.rollback import UndoCall
from playbooks.domain.seat_names import seats_of_gate
from playbooks.domain.subject import Covered
from playbooks.models import Attempt, Connection, Playbook, Principal, Run, SimulatedState, unseal
from playbooks.operations import never_touch, permits, provisionals
from playbooks.operations.actions import (
    Call,
    actions,
    connection_for,
    covered,
    covered_run,
    effect_of,
    parameters_of,
    pinned,
    resolve,
)
from playbooks.operations.definitions import definition_of
from playbooks.operations.limits import is_beyond
from playbooks.operations.policy_rules import Acting, facts_of, in_force, of_call, of_covered
from playbooks.operations.rollbacks import own_undo, undo_of_action

MOST_SECONDS = 10.0
UNREADABLE = "Its secrets were encrypted with another key. Put the key back, or enter the secrets again."
UNPUBLISHED = "{slug} has no published version, so it cannot be run."

Scope = Mapping[str, object]


@dataclass
class DryWorld:
    """`performs_reads` says that what only reads, over a real connection, is really asked."""

    principal: Principal
    performs_reads: bool
    _connections: dict[tuple[str, str], Connection] = field(default_factory=dict)
    _believed: dict[str, Mapping[str, object]] = field(default_factory=dict)
    _changed: dict[str, dict[str, int]] = field(default_factory=dict)
    _effects: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._until = time.monotonic() + MOST_SECONDS
        self._rules, self._protected = in_force(timezone.now()), never_touch.protected(timezone.now())
        self._key = f"dry-run-{uuid4().hex}"
        connections = access.visible(self.principal, "see_connection", Connection.objects.all())
        self._shown = frozenset(connections.values_list("pk", flat=True))
        visible = access.visible(self.principal, "see_playbook", Playbook.objects.all())
        self._visible = frozenset(visible.values_list("slug", flat=True))

    def is_out_of_time(self) -> bool:
        return time.monotonic() > self._until

    def parameters(self, values: Mapping[str, object], scope: Scope) -> dict[str, object]:
        return parameters_of(values, scope)

    def resolve(self, step: Step, scope: Scope) -> Call:
        return resolve(Run(simulates_all=False), step, scope, find=self._connection)

    def covered(self, definition: Definition, step: Step, scope: Scope, key: str) -> Covered:
        if step.kind == "run":
            self._require_pin(definition, str(step.run))
            return covered_run(definition, step, scope, key, is_simulated=False)
        about = {name: scope[name] for name in ("alert", "case") if name in scope}
        run = Run(context=about, inputs=scope["inputs"], simulates_all=False)  # never stored
        call = resolve(run, step, scope, find=self._connection)
        return covered(run, call, step, key, find=self._connection)

    def seats(self, definition: Definition, gate: Step) -> tuple[str, ...]:
        return seats_of_gate(definition.playbook, gate, actions())

    def effect(self, definition: Definition, step: Step) -> str:
        if step.run and step.run not in definition.pins:
            return Effect.CHANGE.value
        return effect_of(definition, step)

    def covering(self, definition: Definition, gate: str) -> tuple[str, ...]:
        return covered_by(definition.playbook, gate, actions())

    def child(self, definition: Definition, slug: str) -> Definition:
        self._require_pin(definition, slug)
        return definition_of(pinned(definition, slug))

    def may_see(self, definition: Definition) -> bool:
        return definition.slug in self._visible

    def undo(
        self,
        key: str,
        step: Step,
        scope: Scope,
        parameters: Mapping[str, object],
        outputs: Mapping[str, object],
    ) -> UndoCall | str:
        return (
            own_undo(key, step, scope) if step.undo is not None else undo_of_action(step, parameters, outputs)
        )

    def beyond_limit(self, call: CallInDomain, changed: Set[str]) -> str:
        connection = cast("Call", call).connection
        if connection is None or connection.most_targets is None:
            return ""
        if call.is_simulated or call.action.effect not in GRAVE:
            return ""
        targets = dict.fromkeys(changed, 1) | self._recently_changed(connection)
        beyond = is_beyond(cast("Call", call), targets, connection.most_targets)
        return connection.targets_role if beyond else ""

    def ruled(
        self, call: CallInDomain, context: Scope, owners: Scope, changed: Set[str], at: datetime
    ) -> Ruled:
        acting = of_call(cast("Call", call))
        if why := never_touch.why_never(acting, self._protected):
            return Ruled(forbidden=why)
        verdict = self._judged(acting, context, owners, changed, at)
        is_permitted = any(permits.would_permit(each, acting, at) for each in verdict.permits)
        afterwards = tuple(each.beforehand for each in provisionals.lasting(verdict.provisionals, at))
        return Ruled(together(verdict.asking), verdict.forbidden, is_permitted, afterwards)

    def asked(
        self, covered: Sequence[Covered], context: Scope, owners: Scope, at: datetime
    ) -> tuple[Matched, ...]:
        verdicts = [self._judged(each, context, owners, frozenset(), at) for each in of_covered(covered)]
        return together(each for verdict in verdicts for each in verdict.asking)

    def _judged(
        self, acting: Acting, context: Scope, owners: Scope, changed: Set[str], at: datetime
    ) -> PolicyVerdict:
        rules = self._rules
        run = Run(context=context)  # never stored
        facts = facts_of(run, acting, rules, at, also_changed=changed)
        return judge(replace(facts, owner=str(owners.get(acting.target, ""))), rules)

    def preview(self, call: CallInDomain) -> Mapping[str, object]:
        """What the connector would send; nothing for somebody who may not see connections."""
        own = cast("Call", call)
        is_shown = own.connection.pk in self._shown if own.connection else bool(self._shown)
        return self._rendered(own) if is_shown else {}

    def answer(self, call: CallInDomain, step: Step) -> Answer:
        own = cast("Call", call)
        if own.action.is_pure or self._is_asked_for(own):
            return Answer(_ended(self._perform(own, step)), "performed")
        problem = "" if own.is_simulated else str(self._rendered(own).get("problem", ""))
        if problem:
            return Answer(Failed(problem, permanent=True), "refused")
        return Answer(_ended(self._simulate(own)), "example")

    def _rendered(self, call: Call) -> Mapping[str, object]:
        """What the connector would send, or under `problem` why it would refuse to."""
        try:
            context = self._context(call, seconds=MOST_SECONDS)
        except InvalidToken:
            return {"problem": UNREADABLE}
        return contract.preview(call.action.key, context, call.parameters)

    def _is_asked_for(self, call: Call) -> bool:
        """Jobs are never begun, since nobody would wait for them."""
        action = call.action
        only_reads = action.effect is Effect.READ and not action.is_job
        return self.performs_reads and only_reads and not call.is_simulated

    def _perform(self, call: Call, step: Step) -> Outcome:
        own = parse_duration(step.timeout).total_seconds() if step.timeout else call.action.timeout.default
        try:
            context = self._context(call, seconds=min(own, self._until - time.monotonic()))
        except InvalidToken:
            return Failed(UNREADABLE, permanent=True)
        return contract.perform(call.action.key, context, call.parameters)

    def _simulate(self, call: Call) -> Outcome:
        """What a simulated connection believes is where it begins; what changes here is forgotten again."""
        believed = self._belief(cast("Connection", call.connection))
        place = call.place
        outcome, self._believed[place] = simulate_end(call.action, call.parameters, believed)
        return outcome

    def _belief(self, connection: Connection) -> Mapping[str, object]:
        if connection.name not in self._believed:
            row = (
                SimulatedState.objects.filter(connection=connection).first()
                if connection.is_simulated
                else None
            )
            self._believed[connection.name] = row.state if row else {}
        return self._believed[connection.name]

    def _context(self, call: Call, *, seconds: float) -> contract.Context:
        """Raises InvalidToken where the secrets of the connection cannot be read."""
        connection = call.connection
        return contract.context(
            call.action.connector,
            settings=connection.settings if connection else {},
            secrets=unseal(connection.sealed) if connection else {},
            idempotency_key=self._key,
            deadline=datetime.now(UTC) + timedelta(seconds=seconds),
            dry_run=not self._is_asked_for(call),
        )

    def _connection(self, action: Action, name: str) -> Connection:
        """connection_for, once for each."""
        key = (action.connector, name)
        if key not in self._connections:
            self._connections[key] = connection_for(action, name)
        return self._connections[key]

    def _recently_changed(self, connection: Connection) -> dict[str, int]:
        """The targets that runs have changed in the connection's window, and how many each is."""
        if connection.name not in self._changed:
            since = timezone.now() - timedelta(seconds=connection.targets_seconds)
            used = Attempt.objects.filter(connection=connection, started_at__gt=since, is_simulated=False)
            grave = used.filter(step__effect__in=GRAVE, step__undoes__isnull=True)
            found = grave.values_list("target").annotate(breadth=Max("breadth"))
            self._changed[connection.name] = dict(found)
        return self._changed[connection.name]

    def _require_pin(self, definition: Definition, slug: str) -> None:
        if slug not in definition.pins:
            raise ExpressionError(UNPUBLISHED.format(slug=slug))


def _ended(outcome: Outcome) -> Succeeded | Failed:
    """What is neither is told as a failure: a dry run has nobody to ask what happened."""
    if isinstance(outcome, Succeeded | Failed):
        return outcome
    return Failed(outcome.sentence, permanent=True)
