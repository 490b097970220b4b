"""The people of a world: entitled ones, who decide, cancel, resolve and roll back, and some who may not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from django.contrib.auth.models import Group, Permission
from django.db.models import Model, QuerySet

from playbooks.domain.statuses import RUN_ENDED, QuestionStatus, RequestStatus, StepStatus, Verdict
from playbooks.models import ApprovalRequest, Attempt, Hold, HoldScope, Question, Run, Step
from playbooks.operations import (
    answers,
    approvals,
    connections,
    events,
    holds,
    people,
    rollbacks,
    runs,
    stopping,
)
from playbooks.operations.caller import SYSTEM
from playbooks.operations.refusals import Invalid, Missing, Refused
from playbooks.operations.runs import Resolution
from tests.cast import Cast
from tests.proving import prove_decision
from tests.simulation.farside import FarSide
from tests.simulation.stage import Stage

APPROVERS = ("tier2", "netowner")
Act = Callable[[], object]
Row = TypeVar("Row", bound=Model)


def configure(cast: Cast) -> None:
    """The connection to the far side, or a new revision of it."""
    connections.configure("far", caller=cast.caller("admin"), connector="far", settings={}, secrets={})


def empower(cast: Cast) -> None:
    """Administrators may post events and place holds. Whoever answers the questions of a run has asked for what comes
    of it, so that is not one of the approvers.
    """
    people.grant(cast.compliance, "tier-2", actor=SYSTEM, granted_by=None)
    codes = ["post_event", "place_hold"]
    group = Group.objects.get(name="administrator")
    group.permissions.add(*Permission.objects.filter(codename__in=codes))


@dataclass
class People:
    """`given_up` are the steps that a person gave up, and whether it was the undoing of them."""

    stage: Stage
    far: FarSide
    cast: Cast

    def __post_init__(self) -> None:
        self.given_up: set[tuple[str, bool]] = set()

    def does_something(self) -> None:
        """Somebody begins something at random, if there is an occasion."""
        acts = {
            self._decide: 60,
            self._resolve: 25,
            self._answer: 15,
            self._post: 5,
            self._cancel: 2,
            self._roll_back: 2,
            self._reconfigure: 1,
            self._pause: 2,
            self._resume: 4,
            self._hold: 1,
            self._release: 4,
        }
        self.stage.random.choices(list(acts), list(acts.values()))[0]()

    def do_all_that_is_asked(self) -> int:
        """Once the world is calm: holds and pauses end, and every request, question and unknown is answered. Returns
        how many there were.
        """
        requests = ApprovalRequest.objects.filter(status=RequestStatus.OPEN).order_by("opened_at", "pk")
        unknown = Step.objects.filter(status=StepStatus.UNKNOWN).order_by("run__created_at", "position")
        questions = Question.objects.filter(status=QuestionStatus.OPEN).order_by("opened_at", "pk")
        holds_, paused = Hold.objects.filter(released_at=None), Run.objects.exclude(paused_at=None)
        for hold in holds_:
            self._let_go(hold)
        for run in paused:
            self._go_on(run)
        for request in requests:
            for person in APPROVERS:
                self._spawn(person, self._vote(person, request, Verdict.APPROVE, request.digest))
        for question in questions:
            self._say("compliance", question)
        for step in unknown:
            self._say_what_happened(step)
        return sum(len(asked) for asked in (requests, questions, unknown, holds_, paused))

    def _decide(self) -> None:
        request = self._any(ApprovalRequest.objects.filter(status=RequestStatus.OPEN).order_by("pk"))
        if request is None:
            return
        person = self.stage.random.choices([*APPROVERS, "analyst", "author", "outsider"], [6, 6, 1, 1, 1])[0]
        verdict = Verdict.DENY if self.stage.random.random() < 0.1 else Verdict.APPROVE
        digest = "0" * 64 if self.stage.random.random() < 0.05 else request.digest
        self._spawn(person, self._vote(person, request, verdict, digest))

    def _vote(self, person: str, request: ApprovalRequest, verdict: Verdict, digest: str) -> Act:
        def vote() -> None:
            self.stage.trace.say(person, f"{verdict} {request.pk} of {request.run_id}")
            prove_decision(self.cast.caller(person), request, verdict)
            approvals.decide(
                request.pk,
                caller=self.cast.caller(person),
                verdict=verdict,
                shown_digest=digest,
                comment="Not now." if verdict is Verdict.DENY else "",
            )

        return vote

    def _resolve(self) -> None:
        step = self._any(Step.objects.filter(status=StepStatus.UNKNOWN).order_by("pk"))
        if step is not None:
            self._say_what_happened(step)

    def _say_what_happened(self, step: Step) -> None:
        """Honestly: a person who looks at the far side sees what has happened, and says that something did not
        happen only when no worker is left that could still do it.
        """
        resolution = self._truth(step)
        if resolution is None:
            return

        def resolve() -> None:
            self.stage.trace.say("analyst", f"says {resolution} of {step.key} in {step.run_id}")
            runs.resolve(
                step.run_id,
                step.key,
                caller=self.cast.caller("analyst"),
                resolution=resolution,
                comment="Seen at the far side.",
            )
            if resolution is Resolution.GIVE_UP:
                self.given_up.add((str(step.undoes_id or step.pk), step.undoes_id is not None))

        self._spawn("analyst", resolve)

    def _truth(self, step: Step) -> Resolution | None:
        if self.stage.random.random() < 0.15:
            return Resolution.GIVE_UP
        keys = Attempt.objects.filter(step=step).values_list("idempotency_key", flat=True)
        if any(key in self.far.seen for key in keys):
            return Resolution.HAPPENED
        if any(actor.about == str(step.run_id) for actor in self.stage.actors):
            return None
        return Resolution.DID_NOT_HAPPEN

    def _cancel(self) -> None:
        run = self._any(Run.objects.exclude(status__in=RUN_ENDED).order_by("pk"))
        if run is not None:
            self.stage.trace.say("analyst", f"cancels {run.pk}")
            self._spawn("analyst", lambda: stopping.cancel(run.pk, caller=self.cast.caller("analyst")))

    def _roll_back(self) -> None:
        run = self._any(Run.objects.filter(status__in=rollbacks.MAY_ROLL_BACK).order_by("pk"))
        if run is None:
            return
        plan = rollbacks.plan_of(run)
        self.stage.trace.say("analyst", f"rolls {run.pk} back")
        self._spawn(
            "analyst",
            lambda: rollbacks.start(run.pk, caller=self.cast.caller("analyst"), plan_digest=plan.digest),
        )

    def _answer(self) -> None:
        question = self._any(Question.objects.filter(status=QuestionStatus.OPEN).order_by("pk"))
        if question is not None:
            self._say(self.stage.random.choice(["compliance", "compliance", "outsider"]), question)

    def _say(self, person: str, question: Question) -> None:
        names = [f"n{number}" for number in range(self.stage.random.randint(0, 3))]
        self.stage.trace.say(person, f"answers {question.pk} of {question.run_id} with {names}")
        caller = self.cast.caller(person)
        self._spawn(person, lambda: answers.answer(question.pk, caller=caller, answers={"names": names}))

    def _post(self) -> None:
        """The event may come before somebody waits for it, or twice."""
        run = self._any(Run.objects.exclude(status__in=RUN_ENDED).order_by("pk"))
        if run is not None:
            self.stage.trace.say("admin", f"posts an event for {run.pk}")
            caller = self.cast.caller("admin")
            self._spawn("admin", lambda: events.post("came", str(run.pk), caller=caller))

    def _pause(self) -> None:
        run = self._any(Run.objects.exclude(status__in=RUN_ENDED).order_by("pk"))
        if run is not None:
            self.stage.trace.say("analyst", f"pauses {run.pk}")
            self._spawn("analyst", lambda: stopping.pause(run.pk, caller=self.cast.caller("analyst")))

    def _resume(self) -> None:
        run = self._any(Run.objects.exclude(paused_at=None).order_by("pk"))
        if run is not None:
            self._go_on(run)

    def _go_on(self, run: Run) -> None:
        self.stage.trace.say("analyst", f"resumes {run.pk}")
        self._spawn("analyst", lambda: stopping.resume(run.pk, caller=self.cast.caller("analyst")))

    def _hold(self) -> None:
        names = {HoldScope.EVERYTHING: "", HoldScope.CONNECTION: "far", HoldScope.PLAYBOOK: "play-1"}
        scope = self.stage.random.choice(list(names))
        self.stage.trace.say("admin", f"holds {scope} {names[scope]}")
        caller = self.cast.caller("admin")
        self._spawn(
            "admin", lambda: holds.place(scope, caller=caller, name=names[scope], reason="Look first.")
        )

    def _release(self) -> None:
        hold = self._any(Hold.objects.filter(released_at=None).order_by("pk"))
        if hold is not None:
            self._let_go(hold)

    def _let_go(self, hold: Hold) -> None:
        self.stage.trace.say("admin", f"releases {hold}")
        self._spawn("admin", lambda: holds.release(hold.pk, caller=self.cast.caller("admin")))

    def _reconfigure(self) -> None:
        """A new revision of the connection voids what was approved over the old one."""
        self.stage.trace.say("admin", "configures the connection anew")
        self._spawn("admin", lambda: configure(self.cast))

    def _spawn(self, person: str, act: Act) -> None:
        def careful() -> None:
            try:
                act()
            except (Refused, Invalid, Missing) as refusal:
                self.stage.trace.say(person, f"is refused: {refusal}")

        self.stage.spawn(person, "person", careful)

    def _any(self, rows: QuerySet[Row]) -> Row | None:
        found = list(rows)
        return self.stage.random.choice(found) if found else None
