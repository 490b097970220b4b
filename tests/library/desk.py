"""The desk at which shipped playbooks are played: the cast, simulated connections, and no time to wait.

Whatever happens without a person (steps, timers, checkpoints) happens by itself; a scenario says what people do, and
the desk sees to it that nobody else could have done it. The log believes no other clock than the database's, so time
does not go by here: what is due later is made due now.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from django.utils import timezone

from playbooks import executor
from playbooks.audit.sequencer import sequence_once
from playbooks.audit.signing import load_signer
from playbooks.connectors.registry import CONNECTORS
from playbooks.domain.alerts import NormalAlert, normal
from playbooks.domain.rollback import RollbackPlan
from playbooks.domain.statuses import (
    QuestionStatus,
    RequestStatus,
    RunStatus,
    StepStatus,
    Verdict,
    WaitReason,
)
from playbooks.management.library import install
from playbooks.models import ApprovalRequest, Connection, Expiry, Principal, Question, Run, Source, Step
from playbooks.operations import (
    alerts,
    answers,
    approvals,
    children,
    connections,
    events,
    people,
    rollbacks,
    runs,
)
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.refusals import Refused
from tests.cast import ROLES, Cast, connect
from tests.proving import prove_decision

FOR_PEOPLE = [WaitReason.APPROVAL, WaitReason.ANSWER, WaitReason.EVENT]
MOST_ROUNDS = 2_000
ADAPTER = {"base_url": "https://adapter.example"}
OTHERS: Mapping[str, tuple[str, Mapping[str, object], Mapping[str, str]]] = {
    "email": ("email", {"host": "mail.example", "sender": "soc@corp.example"}, {}),
    "gateway": ("http", {"base_url": "https://gateway.example"}, {}),
}


class Act(Protocol):
    """What people do, or what comes from outside."""

    def happen(self, desk: Desk) -> None: ...


class Desk:
    def __init__(self, cast: Cast, home: Path) -> None:
        self._signer = load_signer(home)
        people.create("assetowner", actor=SYSTEM, name="Assetowner", password="-", roles=["asset-owner"])
        connect(cast)
        for name, (connector, settings, secrets) in _connections().items():
            connections.configure(
                name,
                caller=cast.caller("admin"),
                connector=connector,
                settings=settings,
                secrets=secrets,
                is_simulated=True,
            )

    def receive(self, body: Mapping[str, object]) -> alerts.Accepted:
        now = timezone.now()
        found = normal(body, now)
        assert isinstance(found, NormalAlert), found
        source = Source.objects.filter(slug="desk").first() or people.create_source(
            "desk", kind="normal", actor=SYSTEM
        )
        return alerts.ingest(found, source=source, raw=json.dumps(body).encode(), actor=SYSTEM)

    def start(self, slug: str, alert: Mapping[str, object], inputs: Mapping[str, object]) -> Run:
        """By its trigger, or where there are inputs by the analyst, about the alert."""
        if inputs:
            accepted = self.receive(alert)
            install(slug)
            run = runs.start(slug, caller=self.caller("analyst"), alert=accepted.alert, inputs=inputs)
        else:
            install(slug)
            (started,) = self.receive(alert).runs
            run = Run.objects.get(pk=started)
        self.settle()
        return self.again(run)

    def again(self, run: Run) -> Run:
        return Run.objects.get(pk=run.pk)

    def caller(self, username: str) -> Caller:
        return Caller(Principal.objects.get(username=username), session=f"session of {username}")

    def settle(self) -> None:
        """Lets everything happen that needs no person."""
        for _ in range(MOST_ROUNDS):
            if not self._work() and not self._pass_time():
                return
        raise AssertionError("It goes on for ever.")

    def roll_back(self, run: Run) -> RollbackPlan:
        plan = rollbacks.plan_of(run)
        rollbacks.start(run.pk, caller=self.caller("analyst"), plan_digest=plan.digest)
        self.settle()
        return plan

    def sweep(self) -> None:
        """After somebody made something due."""
        executor.sweep()
        self.settle()

    def request(self, place: str) -> ApprovalRequest:
        rows = ApprovalRequest.objects.filter(status=RequestStatus.OPEN, **_at(place, "step__"))
        return rows.get()

    def question(self, place: str) -> Question:
        return Question.objects.filter(status=QuestionStatus.OPEN, **_at(place, "step__")).get()

    def step(self, place: str) -> Step:
        return Step.objects.filter(status=StepStatus.WAITING, **_at(place, "")).get()

    def strangers(self, roles: frozenset[str]) -> Iterator[Caller]:
        """Everybody who holds none of these roles."""
        for username, held in {**ROLES, "assetowner": ["asset-owner"]}.items():
            if roles.isdisjoint(held):
                yield self.caller(username)

    def _work(self) -> bool:
        begun = Run.objects.filter(status=RunStatus.QUEUED)
        ready = Run.objects.filter(steps__status=StepStatus.READY).exclude(pk__in=begun)
        found = [*begun.order_by("pk"), *ready.order_by("pk").distinct(), *_to_be_rolled_back()]
        for run in found:
            executor.drive(run.pk, worker="desk")
        return bool(found)

    def _pass_time(self) -> bool:
        """Makes due what is due next of all that happens by itself. False where nothing does."""
        now = timezone.now()
        waiting = Step.objects.filter(status=StepStatus.WAITING, due_at__isnull=False)
        waiting = waiting.exclude(wait_reason__in=FOR_PEOPLE)
        step = waiting.exclude(wait_reason=WaitReason.CHILD, due_at__gt=now).order_by("due_at").first()
        if step is None:
            return False
        Step.objects.filter(pk=step.pk, due_at__gt=now).update(due_at=now)
        sequence_once(self._signer)
        executor.sweep()
        return True


def _to_be_rolled_back() -> list[Run]:
    """The runs that others started, and that hear by a bell that they are to be taken back."""
    begun = Run.objects.filter(parent__isnull=False, rollbacks=0)
    return [run for run in begun.order_by("pk") if children.is_to_be_rolled_back(run)]


def _connections() -> dict[str, tuple[str, Mapping[str, object], Mapping[str, str]]]:
    by_adapter = {
        key: (key, ADAPTER, {"token": "-"})
        for key, each in CONNECTORS.items()
        if {field.name for field in each.fields} == {"base_url", "token", "egress"}
    }
    return {**by_adapter, **OTHERS}


def _at(place: str, prefix: str) -> dict[str, str]:
    """The filter for a step, written as `key`, or as `playbook/key` where several playbooks run."""
    slug, _, key = place.rpartition("/")
    return {f"{prefix}key": key, **({"run__version__playbook__slug": slug} if slug else {})}


@dataclass(frozen=True, slots=True)
class Approve:
    """Each of these people approves, in this order; it takes them all, and nobody else is let in."""

    place: str
    usernames: tuple[str, ...]

    def happen(self, desk: Desk) -> None:
        request = desk.request(self.place)
        roles = frozenset(request.seats.values_list("role", flat=True))
        for stranger in desk.strangers(roles):
            assert _is_refused(request, stranger), f"{stranger.principal} may not approve {self.place}"
        for username in self.usernames:
            request = desk.request(self.place)
            prove_decision(desk.caller(username), request)
            approvals.decide(
                request.pk,
                caller=desk.caller(username),
                verdict=Verdict.APPROVE,
                shown_digest=request.digest,
            )
        assert not ApprovalRequest.objects.filter(pk=request.pk, status=RequestStatus.OPEN).exists()
        desk.settle()


def _is_refused(request: ApprovalRequest, caller: Caller) -> bool:
    prove_decision(caller, request)
    try:
        approvals.decide(request.pk, caller=caller, verdict=Verdict.APPROVE, shown_digest=request.digest)
    except Refused:
        return True
    return False


@dataclass(frozen=True, slots=True)
class Deny:
    place: str
    username: str

    def happen(self, desk: Desk) -> None:
        request = desk.request(self.place)
        approvals.decide(
            request.pk,
            caller=desk.caller(self.username),
            verdict=Verdict.DENY,
            shown_digest=request.digest,
            comment="It is a test of our own.",
        )
        desk.settle()


@dataclass(frozen=True, slots=True)
class Answer:
    """One person answers, after everybody without the role was refused."""

    place: str
    username: str
    values: Mapping[str, object]

    def happen(self, desk: Desk) -> None:
        question = desk.question(self.place)
        for stranger in desk.strangers(frozenset({question.role})):
            try:
                answers.answer(question.pk, caller=stranger, answers=self.values)
            except Refused:
                continue
            raise AssertionError(f"{stranger.principal} may not answer {self.place}")
        answers.answer(question.pk, caller=desk.caller(self.username), answers=self.values)
        desk.settle()


@dataclass(frozen=True, slots=True)
class Post:
    """An event comes in from outside."""

    name: str
    key: str
    data: Mapping[str, object]

    def happen(self, desk: Desk) -> None:
        events.post(self.name, self.key, caller=desk.caller("analyst"), data=self.data)
        desk.settle()


@dataclass(frozen=True, slots=True)
class Late:
    """Nothing comes, and the time of a step that waits for it runs out."""

    place: str

    def happen(self, desk: Desk) -> None:
        step = desk.step(self.place)
        assert step.due_at is not None
        Step.objects.filter(pk=step.pk).update(due_at=timezone.now())
        desk.sweep()


@dataclass(frozen=True, slots=True)
class Expire:
    """The times of all changes that were made for a time only are over."""

    def happen(self, desk: Desk) -> None:
        Expiry.objects.update(due_at=timezone.now())
        desk.sweep()


@dataclass(frozen=True, slots=True)
class Lose:
    """A connection is gone, so that whatever needs it fails."""

    name: str

    def happen(self, desk: Desk) -> None:
        Connection.objects.filter(name=self.name).update(name=f"was-{self.name}")
