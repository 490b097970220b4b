"""One change to a run: the locked row, the moment, who acts, and what is to be said at the end.

Whoever changes a run begins with `lock_run`, collects entries with `note`, and calls `finish`, which appends the
entries in the same transaction and rings for work that is ready after the commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from playbooks import audit
from playbooks.audit import Actor, Entry, Heads, Stream, Subject
from playbooks.domain.verbs import Verb
from playbooks.models import Run, Step
from playbooks.operations import bell, moves, notices
from playbooks.operations.definitions import definition_of
from playbooks.operations.notices import Telling
from playbooks.operations.refusals import Missing
from playbooks.operations.statements import Update, fetch, key, write

HELD = ("anything_is_held", "EXISTS (SELECT 1 FROM playbooks_hold WHERE released_at IS NULL)")
GOVERNED = (
    "is_governed",
    """(EXISTS (SELECT 1 FROM playbooks_policyversion WHERE status IN ('published', 'retired'))
    OR EXISTS (SELECT 1 FROM playbooks_nevertouch))""",
)


def lock_run(run: UUID | str) -> Run:
    """The run, locked for this transaction. Everything that changes a run takes this lock first.

    It knows whether `anything_is_held` and whether it `is_governed`, so that a step asks about holds and about policies
    only when there are any.
    """
    found = fetch(Run, "id = %s", [key(Run, run)], also=(HELD, GOVERNED), lock=True)
    if not found:
        raise Missing(f"There is no run {run}.")
    return found[0]


def lock_known(run: Run, driver: str) -> Run:
    """The run, locked: this very object where `driver` was the last to change it, which needs no reading."""
    found = fetch(Run, "id = %s", [key(Run, run.pk)], only=("driver",), also=(HELD,), lock=True)
    if not driver or not found or found[0].driver != driver:
        return lock_run(run.pk)
    setattr(run, HELD[0], anything_is_held(found[0]))
    return run


def anything_is_held(run: Run) -> bool:
    """Whether there is any hold, as the statement told that locked the run."""
    return bool(getattr(run, HELD[0]))


def is_governed(run: Run) -> bool:
    """Whether there is any policy or any target that is never touched, as the statement told that locked the run."""
    return bool(getattr(run, GOVERNED[0], True))


@dataclass
class Change:
    run: Run
    now: datetime
    actor: Actor
    entries: list[Entry] = field(default_factory=list)
    driver: str = ""  # who goes on with the run, and keeps its picture of the steps
    ready: int = 0  # steps that became ready
    unwritten: list[Step] = field(default_factory=list)  # of those, not in the database yet
    turns: int = 0  # that were started
    heads: Heads | None = None  # what the driver knows of the ends of audit streams
    tellings: list[Telling] = field(default_factory=list)  # what people are told of it

    def note(
        self,
        verb: Verb,
        *,
        subject: Subject | None = None,
        stream: Stream | None = None,
        outcome: str = "done",
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Adds an entry, to the run's stream unless another one is named."""
        self.entries.append(
            Entry(
                stream=stream or run_stream(self.run),
                verb=verb,
                actor=self.actor,
                subject=subject or run_subject(self.run),
                outcome=outcome,
                facts=facts or {},
                occurred_at=self.now,
            )
        )

    def note_step(self, verb: Verb, step: Step, **facts: Any) -> None:
        self.note(verb, subject=step_subject(step), facts={"step": step.key, "round": step.round, **facts})

    def make_ready(self, step: Step) -> None:
        """A step that was pending is ready: it is written when something else is done with it, or at the end."""
        moves.foresee_ready(step, now=self.now)
        self.unwritten.append(step)
        self.ready += 1

    def take(self, step: Step) -> None:
        """A step that may be ready in memory only is claimed: it is what the database says that it is."""
        if any(each is step for each in self.unwritten):
            self.unwritten = [each for each in self.unwritten if each is not step]
            moves.recall(step)

    def write_ready(self) -> None:
        """Brings the steps that are ready into the database."""
        moves.write_foreseen(self.unwritten, now=self.now)
        self.unwritten.clear()

    def finish(self, *, taken: int = 0) -> None:
        """Appends the entries, tells people, and rings when more steps are ready than those `taken` by the caller
        itself: whoever hears it claims one, and rings for the next.

        Whoever drove the run before has no picture of it any more that is up to date.
        """
        self.write_ready()
        if self.run.driver != self.driver:
            write(Update(Run, [self.run.pk], self.run.status, {"driver": self.driver}))
            self.run.driver = self.driver
        audit.append(*self.entries, heads=self.heads)
        notices.tell(self.tellings, now=self.now)
        if self.ready > taken:
            bell.ring(self.run.pk)


def run_stream(run: Run) -> Stream:
    return Stream("run", str(run.pk))


def run_subject(run: Run) -> Subject:
    """Labelled as a run is printed, from what is known of its version without asking the database."""
    definition = definition_of(run.version_id)
    return Subject("run", str(run.pk), f"run {run.pk.hex[-6:]} of {definition.slug} {definition.number}")


def step_subject(step: Step) -> Subject:
    return Subject("step", str(step.pk), step.key)
