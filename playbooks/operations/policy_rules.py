"""The policies in force, and what they say about a call: read fresh inside the transaction that claims.

A version that was replaced or retired is kept to for a day more (facts.COOLING): whoever lowers a rule does not get
what they want by it at once, and everybody has a day to see it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from django.db.models import Max, Q
from pydantic import ValidationError

from playbooks.domain.actions import Effect
from playbooks.domain.policies.document import Policy as Document
from playbooks.domain.policies.facts import COOLING, WINDOWS, Facts, is_production
from playbooks.domain.policies.judging import Rule, Verdict, judge
from playbooks.domain.statuses import StepStatus, VersionStatus
from playbooks.domain.subject import Covered
from playbooks.models import Attempt, Connection, PolicyVersion, Run, Step
from playbooks.operations.actions import Call, actions, breadth_of

UNREADABLE = "It was written for another version of Countersign. Write it anew."
FIND_OWNER = "assets.find_owner"
GRAVE = (Effect.CHANGE.value, Effect.DESTROY.value)
SHOWN = 200  # characters of a target that an attempt keeps


@dataclass(frozen=True, slots=True)
class Acting:
    """An action that is about to run, or that an approval would cover."""

    action: str
    effect: str
    connection: Connection | None
    target: str
    parameters: Mapping[str, object]
    is_simulated: bool

    @property
    def breadth(self) -> int:
        return breadth_of(actions()[self.action], self.parameters)

    @property
    def connector(self) -> str:
        return self.action.partition(".")[0]


def of_call(call: Call) -> Acting:
    effect = call.action.effect.value
    return Acting(call.action.key, effect, call.connection, call.target, call.parameters, call.is_simulated)


def of_covered(items: Sequence[Covered]) -> list[Acting]:
    """The calls of a request. The start of another playbook is none: that run asks for what it does itself."""
    calls = [each for each in items if each.action != "playbook.run"]
    connections = Connection.objects.select_related("owner").in_bulk(
        [UUID(each.connection_id) for each in calls]
    )
    return [
        Acting(
            each.action,
            each.effect,
            connections.get(UUID(each.connection_id)),
            each.target,
            each.parameters,
            each.is_simulated,
        )
        for each in calls
    ]


def in_force(now: datetime) -> tuple[Rule, ...]:
    """The versions in force, and those that were until less than a day ago."""
    lingering = Q(status=VersionStatus.RETIRED, retired_at__gt=now - COOLING)
    rows = PolicyVersion.objects.filter(Q(status=VersionStatus.PUBLISHED) | lingering)
    found = rows.values_list("pk", "policy__slug", "number", "digest", "status").order_by(
        "policy__slug", "number"
    )
    return tuple(
        Rule(slug, number, digest, _parsed(pk), lingers=status == VersionStatus.RETIRED)
        for pk, slug, number, digest, status in found
    )


@lru_cache(maxsize=512)
def _parsed(version: UUID) -> Document:
    """The policy of a version, which never changes. One that cannot be read any more forbids everything."""
    row = PolicyVersion.objects.select_related("policy").get(pk=version)
    try:
        return Document.model_validate(row.document)
    except ValidationError:
        return Document(policy=row.policy.slug, title=row.policy.title, when="true", forbid=UNREADABLE)


def verdict_of(
    run: Run, acting: Acting, rules: Iterable[Rule], now: datetime, *, phase: str = "do", locks: bool = False
) -> Verdict:
    """What the rules say about the action. With `locks`, nobody else changes a target that is counted before the
    caller's transaction ends.
    """
    given = tuple(rules)
    return judge(facts_of(run, acting, given, now, phase=phase, locks=locks), given) if given else Verdict()


def facts_of(
    run: Run,
    acting: Acting,
    rules: Sequence[Rule],
    now: datetime,
    *,
    phase: str = "do",
    locks: bool = False,
    also_changed: Iterable[str] = (),
) -> Facts:
    """What takes a query is read where a rule looks at it only. `also_changed` are targets that no attempt knows."""
    connection = acting.connection
    is_counted = any(each.policy.reads("count") for each in rules)
    is_owned = any(each.policy.reads("owner") for each in rules)
    alert, case = run.context.get("alert") or {}, run.context.get("case") or {}
    return Facts(
        action=acting.action,
        connector=acting.connector,
        effect=acting.effect,
        connection=connection.name if connection else "",
        environment=connection.environment if connection else "",
        is_production=_is_production(connection, now),
        connection_owner=connection.owner.username if connection and connection.owner else "",
        is_simulated=acting.is_simulated,
        target=acting.target,
        parameters=acting.parameters,
        owner=_owner_of(run, acting.target) if is_owned else "",
        severity=int(alert.get("severity", case.get("severity", 0)) or 0),
        case=case,
        alert=alert,
        phase=phase,
        at=now,
        count=_counts(acting, now, also_changed, locks=locks) if is_counted else dict.fromkeys(WINDOWS, 0),
    )


def _is_production(connection: Connection | None, now: datetime) -> bool:
    return connection is None or is_production(connection.environment, connection.environment_at, now)


def _counts(acting: Acting, now: datetime, also: Iterable[str], *, locks: bool) -> dict[str, int]:
    """How many other targets were changed through the connector, in each window, by all runs. Of a list, which is one
    target with many names, all others count besides the first.
    """
    connections = Connection.objects.filter(connector=acting.connector).order_by("pk")
    if locks:
        list(connections.select_for_update().values_list("pk"))
    attempts = Attempt.objects.filter(
        connection__connector=acting.connector,
        started_at__gt=now - max(WINDOWS.values()),
        started_at__lte=now,
        is_simulated=acting.is_simulated,
        step__effect__in=GRAVE,
        step__undoes__isnull=True,
    ).exclude(target=acting.target[:SHOWN])
    others = attempts.values_list("target").annotate(last=Max("started_at"), breadth=Max("breadth"))
    last = {target: (at, breadth) for target, at, breadth in others}
    last |= {each[:SHOWN]: (now, 1) for each in also if each[:SHOWN] != acting.target[:SHOWN]}
    return {
        name: acting.breadth - 1 + sum(breadth for at, breadth in last.values() if at > now - window)
        for name, window in WINDOWS.items()
    }


def _owner_of(run: Run, target: str) -> str:
    """Whom the target belongs to, where a step of the run has asked the asset list about it."""
    asked = Step.objects.filter(run=run, action=FIND_OWNER, status=StepStatus.SUCCEEDED)
    found = [
        outputs for outputs in asked.values_list("outputs", flat=True) if outputs.get("address") == target
    ]
    return str(found[0].get("owner", "")) if found else ""
