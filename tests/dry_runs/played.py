"""A real run, played to its end: workers, people who do what was chosen, a far side, and a clock that jumps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import time_machine
from django.utils import timezone

from playbooks import executor
from playbooks.audit.sequencer import sequence_once
from playbooks.audit.signing import load_signer
from playbooks.connectors.declaration import Context
from playbooks.domain.outcomes import Failed, Outcome, Succeeded
from playbooks.domain.statuses import (
    RUN_ENDED,
    QuestionStatus,
    RequestStatus,
    StepStatus,
    Verdict,
    WaitReason,
)
from playbooks.executor.timers import FIRED
from playbooks.models import ApprovalRequest, Question, Run, Step
from playbooks.operations import answers, approvals, events
from playbooks.operations.caller import Caller
from tests.cast import Cast
from tests.dry_runs.chosen import Chosen
from tests.proving import prove_decision

MOST_ROUNDS = 500
FAILED = Failed("It failed, as was chosen.", permanent=True)


@dataclass
class Far:
    """The far side: each target is named after the step that acts on it, `run/step/turn`."""

    chosen: Chosen
    order: list[str] = field(default_factory=list)

    def act(self, context: Context, *, target: str, note: object = None) -> Outcome:
        run, step = target.split("/")[:2]
        self.order.append(target)
        slug = Run.objects.select_related("version__playbook").get(pk=run).version.playbook.slug
        if self.chosen.word(slug, step) == "fail":
            return FAILED
        return Succeeded({"target": target, "changed": True, "count": 1})

    def undo(self, context: Context, *, target: str, note: object = None) -> Outcome:
        return Succeeded({"target": target, "changed": True, "count": 1})

    def look(self, context: Context, *, target: str, note: object = None) -> Outcome | None:
        return None

    act_once_a_key = read = act


@dataclass
class Played:
    """Plays everything that was started. `answerer` is of tier 2 and decides nothing."""

    cast: Cast
    chosen: Chosen
    answerer: Caller
    home: Path
    clock: time_machine.Coordinates

    def to_the_end(self) -> None:
        signer = load_signer(self.home)
        for _ in range(MOST_ROUNDS):
            if self._work() or self._people():
                continue
            sequence_once(signer)
            if not self._pass_time():
                return
        raise AssertionError("It goes on for ever.")

    def _work(self) -> bool:
        ready = Run.objects.filter(steps__status=StepStatus.READY).distinct()
        queued = Run.objects.filter(status="queued")
        found = list(dict.fromkeys([*queued.order_by("pk"), *ready.order_by("pk")]))
        for run in found:
            executor.drive(run.pk, worker="test")
        return bool(found)

    def _people(self) -> bool:
        """One thing that somebody does; False where nobody is to do anything."""
        return any(act() for act in self._acts())

    def _acts(self) -> Iterator[Callable[[], bool]]:
        yield self._decide
        yield self._answer
        yield self._post

    def _decide(self) -> bool:
        rows = ApprovalRequest.objects.filter(status=RequestStatus.OPEN).select_related("step__run")
        for request in rows.order_by("opened_at", "pk"):
            word = self._word(request.step)
            if word == "late":
                continue
            if word == "deny":
                self._vote(request, "tier2", Verdict.DENY)
            else:
                for seat in request.seats.order_by("position"):
                    self._vote(
                        request, {"tier-2": "tier2", "network-owner": "netowner"}[seat.role], Verdict.APPROVE
                    )
            return True
        return False

    def _vote(self, request: ApprovalRequest, name: str, verdict: Verdict) -> None:
        prove_decision(self.cast.caller(name), request, verdict)
        approvals.decide(
            request.pk,
            caller=self.cast.caller(name),
            verdict=verdict,
            shown_digest=request.digest,
            comment="As was chosen.",
        )

    def _answer(self) -> bool:
        for question in Question.objects.filter(status=QuestionStatus.OPEN).order_by("opened_at", "pk"):
            if self._word(question.step) != "late":
                answers.answer(question.pk, caller=self.answerer, answers={"names": ["example"]})
                return True
        return False

    def _post(self) -> bool:
        waiting = Step.objects.filter(status=StepStatus.WAITING, wait_reason=WaitReason.EVENT)
        for step in waiting.order_by("pk"):
            if self._word(step) != "late":
                events.post(step.event, step.event_key, caller=self.answerer, data={})
                return True
        return False

    def _word(self, step: Step) -> str:
        return self.chosen.word(step.run.version.playbook.slug, step.name)

    def _pass_time(self) -> bool:
        """To the next moment at which something happens by itself."""
        executor.sweep()
        for unwanted in Run.objects.filter(parent__is_stopping=True).exclude(status__in=RUN_ENDED):
            executor.drive(unwanted.pk, worker="test")  # it hears that it is to stop
        executor.sweep()
        if self._work() or self._people():
            return True
        now = timezone.now()
        due = min((each for each in self._moments() if each > now), default=None)
        if due is None:
            return False
        self.clock.move_to(due)
        executor.sweep()
        return True

    def _moments(self) -> Iterator[datetime]:
        """Not of what was escalated, which goes on for ever."""
        waiting = Step.objects.filter(status=StepStatus.WAITING)
        for step in waiting:
            if step.deadline_at:
                yield step.deadline_at
            if step.due_at and step.wait_reason in FIRED - {WaitReason.CHILD}:
                yield step.due_at
        open_requests = ApprovalRequest.objects.filter(status=RequestStatus.OPEN, escalated_at__isnull=True)
        for due in [*open_requests.values_list("due_at", flat=True), *_questions()]:
            if due is not None:
                yield due


def _questions() -> Iterator[datetime | None]:
    yield from Question.objects.filter(status=QuestionStatus.OPEN).values_list("due_at", flat=True)
