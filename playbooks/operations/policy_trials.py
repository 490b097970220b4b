"""Trying policies without anything being done: on one action (explain), and on what has happened (simulate)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from playbooks import access
from playbooks.access.seats import Meant, meant_by
from playbooks.domain.canonical import digest
from playbooks.domain.policies.asking import as_asked, seats_with, together
from playbooks.domain.policies.document import document_of
from playbooks.domain.policies.facts import Facts
from playbooks.domain.policies.judging import Matched, Rule, condition_values, judge
from playbooks.domain.seats import Entitlement, fitting, match
from playbooks.models import Attempt, Connection, Membership, PrincipalKind, Run
from playbooks.operations import never_touch
from playbooks.operations.actions import actions
from playbooks.operations.caller import Caller
from playbooks.operations.influence import authors_of_all
from playbooks.operations.policies import checked
from playbooks.operations.policy_rules import Acting, facts_of, in_force
from playbooks.operations.refusals import Invalid, Unsound

DAYS = 30
MOST_STEPS = 2_000  # the newest
MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Explained:
    """One version in force, and whether it matches. `values` are what the names in its condition stood for; `asks`
    are seats by name, `tells` those who are told, `countersigned_by` who lets stand what runs
    provisionally, `forbids` a sentence, empty for none.
    """

    policy: str
    number: int
    title: str
    lingers: bool
    condition: str
    values: Mapping[str, object]
    matches: bool
    asks: tuple[str, ...]
    step_up: bool
    forbids: str
    permits: bool
    tells: tuple[str, ...]
    countersigned_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """`seats` are those that all the policies together ask where no gate asks any. `never_touch` and `forbidden` are
    sentences, empty where nothing stands against it.
    """

    policies: tuple[Explained, ...]
    seats: tuple[str, ...]
    step_up: bool
    forbidden: str
    never_touch: str


@dataclass(frozen=True, slots=True)
class Question:
    """An action that somebody asks about. `severity` is the alert's or the case's."""

    action: str
    connection: str
    target: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)
    severity: int = 0
    phase: str = "do"


@dataclass(frozen=True, slots=True)
class Example:
    """A step of the past for which it would have been otherwise; `change` is more, fewer or forbidden."""

    run: UUID
    step: str
    action: str
    target: str
    at: datetime
    change: str
    seats_before: tuple[str, ...]
    seats_after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Simulation:
    """`steps` of the last `days` were looked at, `matched` of them by the policy that is tried. It would have asked
    `more` approvals, of which `nobody_could_give` so many as people and roles are today, and `fewer`, would have
    stopped `forbidden` steps, and would have `told` somebody of so many.
    """

    days: int
    steps: int
    matched: int
    more: int
    nobody_could_give: int
    fewer: int
    forbidden: int
    errors: int
    told: int
    examples: tuple[Example, ...]


def explain(question: Question, *, caller: Caller) -> Explanation:
    """Which policies match an action, and what they ask. Raises Invalid for an action or a connection that is none."""
    caller.require("see_policy", "see policies")
    now, acting = timezone.now(), _acting(question)
    severity = {"severity": question.severity}
    run, rules = Run(context={"case": severity, "alert": severity}), in_force(now)
    facts = facts_of(run, acting, rules, now, phase=question.phase)
    verdict = judge(facts, rules)
    by_name = {each.name: each for each in verdict.matched}
    asked = as_asked(together(verdict.asking))
    touched = never_touch.why_never(acting, never_touch.protected(now)) if question.phase == "do" else ""
    return Explanation(
        policies=tuple(_explained(facts, rule, by_name.get(rule.name)) for rule in rules),
        seats=tuple(seats_with((), asked)),
        step_up=any(each.step_up for each in verdict.matched),
        forbidden=verdict.forbidden,
        never_touch=touched,
    )


def simulate(text: str, *, caller: Caller, days: int = DAYS) -> Simulation:
    """What would have been otherwise if the policy of this text had been in force in the last days.

    Of runs that the caller may see. Raises Unsound for a text that is no policy.
    """
    caller.require("see_policy", "see policies")
    caller.require("see_run", "try policies on what has run")
    found = checked(text)
    if found.policy is None:
        raise Unsound(found.problems, "policy")
    tried = Rule(found.policy.policy, 0, digest(document_of(found.policy)), found.policy)
    now = timezone.now()
    rules = in_force(now)
    trial = _Trial(tried, rules, [each for each in rules if each.slug != tried.slug], _roles_of_people())
    for attempt in _attempts(caller, now - timedelta(days=days)):
        trial.take(attempt)
    return trial.told(days)


@dataclass
class _Group:
    """What one request asked, or would have, for all the steps that it covered."""

    run: Run
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)


@dataclass
class _Trial:
    tried: Rule
    rules: Sequence[Rule]
    others: Sequence[Rule]
    people: Mapping[str, frozenset[str]]
    steps: int = 0
    matched: int = 0
    forbidden: int = 0
    errors: int = 0
    notified: int = 0
    groups: dict[UUID, _Group] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)

    def take(self, attempt: Attempt) -> None:
        """One step of the past, judged as it was and as it would have been."""
        self.steps += 1
        run, at = attempt.step.run, attempt.started_at
        with_it = [*self.others, self.tried]
        facts = facts_of(run, _past(attempt), [*self.rules, self.tried], at)
        then, now = judge(facts, self.rules), judge(facts, with_it)
        mine = next((each for each in now.matched if each.name == self.tried.name), None)
        self.matched += mine is not None
        self.errors += bool(mine and mine.is_error)
        self.notified += bool(mine and mine.tells)
        own = self._own_seats(attempt)
        asked = [*then.asking, *(each.beforehand for each in then.provisionals if not own)]
        before = tuple(seats_with(own, as_asked(together(asked))))
        asking = [*now.asking, *(each.beforehand for each in now.provisionals if not own)]
        after = tuple(seats_with(own, as_asked(together(asking))))
        if mine and mine.permit and not own:
            after = ()
        self._count(attempt, before, after, is_forbidden=bool(now.forbidden) and not then.forbidden)

    def _count(
        self, attempt: Attempt, before: tuple[str, ...], after: tuple[str, ...], *, is_forbidden: bool
    ) -> None:
        consumed = [each.request_id for each in attempt.step.consumptions.all()]
        group = self.groups.setdefault(consumed[0] if consumed else attempt.step_id, _Group(attempt.step.run))
        group.before |= Counter(before)
        group.after |= Counter(after)
        self.forbidden += is_forbidden
        change = "forbidden" if is_forbidden else "more" if len(after) > len(before) else "fewer"
        if (is_forbidden or before != after) and len(self.examples) < MOST_SHOWN:
            step = attempt.step
            self.examples.append(
                Example(
                    step.run_id,
                    step.key,
                    step.action,
                    attempt.target,
                    attempt.started_at,
                    change,
                    before,
                    after,
                )
            )

    def _own_seats(self, attempt: Attempt) -> tuple[str, ...]:
        """Those of the gates that covered it, as their requests had them."""
        return tuple(
            seat.role
            for each in attempt.step.consumptions.all()
            if each.request.step.kind == "approve"
            for seat in each.request.seats.all()
        )

    def told(self, days: int) -> Simulation:
        more = fewer = impossible = 0
        meant = meant_by({name for group in self.groups.values() for name in group.after}, timezone.now())
        for group in self.groups.values():
            extra = sum((group.after - group.before).values())
            more += extra
            fewer += sum((group.before - group.after).values())
            impossible += min(extra, self._unfilled(group, meant)) if extra else 0
        return Simulation(
            days,
            self.steps,
            self.matched,
            more,
            impossible,
            fewer,
            self.forbidden,
            self.errors,
            self.notified,
            tuple(self.examples),
        )

    def _unfilled(self, group: _Group, meant: Meant) -> int:
        """How many of the seats people could not fill today, without those who have a hand in the run."""
        seats = [meant.seat(name) for name in sorted(group.after.elements())]
        partial = {str(group.run.requested_by_id), *authors_of_all(group.run.version)}
        able = {
            person: fitting(seats, Entitlement(roles, frozenset({person})))
            for person, roles in self.people.items()
            if person not in partial
        }
        return len(seats) - len(match(able))


def _attempts(caller: Caller, since: datetime) -> Iterator[Attempt]:
    visible = access.visible(caller.principal, "see_run", Run.objects.all())
    rows = Attempt.objects.filter(
        number=1, started_at__gt=since, step__undoes__isnull=True, step__run__in=visible
    ).exclude(step__effect__in=["read", ""])
    related = rows.select_related("step__run__version", "connection__owner").prefetch_related(
        "step__consumptions__request__step", "step__consumptions__request__seats"
    )
    return iter(related.order_by("-started_at")[:MOST_STEPS])


def _past(attempt: Attempt) -> Acting:
    return Acting(
        attempt.step.action,
        attempt.step.effect,
        attempt.connection,
        attempt.target,
        attempt.parameters,
        attempt.is_simulated,
    )


def _acting(question: Question) -> Acting:
    action = actions().get(question.action)
    if action is None:
        raise Invalid([("/action", f"There is no action {question.action[:80]}.")])
    connection = Connection.objects.select_related("owner").filter(name=question.connection).first()
    if connection is None:
        raise Invalid([("/connection", f"There is no connection {question.connection[:80]}.")])
    target = question.target or str(question.parameters.get(action.target, question.connection))
    parameters = dict(question.parameters) or {action.target: target}
    return Acting(action.key, action.effect.value, connection, target, parameters, connection.is_simulated)


def _explained(facts: Facts, rule: Rule, matched: Matched | None) -> Explained:
    return Explained(
        policy=rule.slug,
        number=rule.number,
        title=rule.policy.title,
        lingers=rule.lingers,
        condition=rule.policy.when,
        values=condition_values(facts, rule),
        matches=matched is not None,
        asks=tuple(each.role for each in matched.seats) if matched else (),
        step_up=matched is not None and matched.step_up,
        forbids=matched.forbids if matched else "",
        permits=matched is not None and matched.permit is not None,
        tells=matched.tells if matched else (),
        countersigned_by=tuple(each.role for each in matched.afterwards) if matched else (),
    )


def _roles_of_people() -> dict[str, frozenset[str]]:
    held: dict[str, set[str]] = {}
    people = Membership.objects.filter(principal__is_active=True, principal__kind=PrincipalKind.PERSON)
    for person, role in people.values_list("principal", "group__name"):
        held.setdefault(str(person), set()).add(role)
    return {person: frozenset(roles) for person, roles in held.items()}
