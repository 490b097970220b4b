"""A world: everything that a seed decides, played to the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import cast as as_type
from uuid import UUID

from django.db import connection

from playbooks import executor
from playbooks.audit.sequencer import sequence_once
from playbooks.audit.signing import load_signer
from playbooks.connectors import registry
from playbooks.executor import seams
from playbooks.operations import actions, runs
from playbooks.operations.refusals import Unsound
from tests.cast import make_cast, publish
from tests.simulation import shapes
from tests.simulation.broker import Broker
from tests.simulation.clock import Clock
from tests.simulation.farside import FarSide, connector
from tests.simulation.people import People, configure, empower
from tests.simulation.record import Record
from tests.simulation.rest import left, next_moment, waiting_for_nobody
from tests.simulation.stage import Chances, Stage
from tests.simulation.trace import Trace

RUNS = 20
PLAYBOOKS = 6
WORKERS = 4
SWEEPS = 2  # at once
MOST_EVENTS = 45  # for each run, before the world calms down
LOOKS_AGAIN = 3  # times that a quiet world is looked at again, half a minute later
MOST_ROUNDS = 100  # in which a calm world has to come to rest


class World:
    """One history. `home` is a folder of its own, `settings.SOAR_HOME` among them."""

    def __init__(self, seed: int, clock: Clock, home: Path) -> None:
        self.random = Random(seed)
        self.clock = clock
        self.trace = Trace(clock)
        self.stage = Stage(self.random, clock, self.trace, Chances())
        self.broker = Broker(self.random, clock, self.trace)
        self.far = FarSide(self.stage)
        self.signer = load_signer(home)
        self.runs: dict[int, UUID] = {}
        self.stalled: list[str] = []
        self._names = 0

    def play(self) -> Record:
        """Chaos, then calm, then the people answer all that is asked."""
        self._prepare()
        self._chaos()
        self._calm_down()
        self._until_quiet()
        self.stalled += waiting_for_nobody()
        self._until_ended()
        return self._record()

    def _record(self) -> Record:
        return Record(
            cast=self.people.cast,
            signer=self.signer,
            runs=self.runs,
            asked=RUNS,
            effects=self.far.effects,
            undone=self.far.undone,
            given_up=frozenset(self.people.given_up),
            complaints=(*self.stalled, *sorted({f"Somebody met {error!r}." for error in self.stage.defects})),
        )

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The far side is registered, and the stage stands at the seams and at the database."""
        known = as_type(dict[str, object], registry.CONNECTORS)
        known["far"] = connector(self.far)
        actions.actions.cache_clear()
        seams.visit(self.stage.at_seam)
        try:
            with connection.execute_wrapper(self.stage.at_statement):
                yield
        finally:
            seams.visit()
            del known["far"]
            actions.actions.cache_clear()
            self.broker.close()

    def _prepare(self) -> None:
        self.clock.show()
        self.people = People(self.stage, self.far, make_cast())
        configure(self.people.cast)
        empower(self.people.cast)
        self.slugs = [f"play-{number}" for number in range(PLAYBOOKS)]
        for number, slug in enumerate(self.slugs):
            self._publish(slug, self.slugs[:number])

    def _publish(self, slug: str, others: list[str]) -> None:
        """What the check refuses is drawn again."""
        while True:
            text = shapes.playbook(self.random, slug, others)
            try:
                publish(self.people.cast, text)
            except Unsound:
                continue
            self.trace.say("author", text)
            return

    def _chaos(self) -> None:
        events: list[tuple[Callable[[], object], float]] = [
            (self._go_on, 100),
            (self._deliver, 30),
            (self._time_passes, 25),
            (self._sweep, 6),
            (self._start, 5),
            (self._person, 10),
            (self._sequence, 2),
            (self._kill, 1),
            (self._freeze, 2),
            (self._outage, 0.2),
            (self._jump, 0.4),
        ]
        calls, weights = [call for call, _ in events], [weight for _, weight in events]
        for _ in range(MOST_EVENTS * RUNS):
            self.random.choices(calls, weights)[0]()
            self.broker.listen()

    def _calm_down(self) -> None:
        """Nothing goes wrong any more, and what was begun ends."""
        self.trace.say("world", "calms down")
        self.stage.calm_down()
        self.broker.is_bad, self.far.is_kind = False, True
        for number in range(RUNS):
            self.stage.spawn("analyst", "person", partial(self._click, number))
        self._everybody_goes_on()

    def _until_quiet(self) -> None:
        """Everything happens that needs no person. A world that does not come to rest is stuck."""
        quiet = 0
        for _ in range(MOST_ROUNDS):
            self._everybody_goes_on()
            executor.sweep()
            sequence_once(self.signer)
            self.broker.listen()
            moment = next_moment()
            quiet = 0 if moment else quiet + 1
            if quiet > LOOKS_AGAIN:
                return
            soon = self.clock.wall() + timedelta(seconds=2 if moment else 31)
            self.clock.pass_until(max(moment or soon, soon))
        self.stalled.append(f"The world does not come to rest: {left()}")

    def _until_ended(self) -> None:
        for _ in range(MOST_ROUNDS):
            asked = self.people.do_all_that_is_asked()
            self._until_quiet()
            if not asked or self.stalled:
                return
        self.stalled.append(f"People are asked for ever: {left()}")

    def _everybody_goes_on(self) -> None:
        while self.stage.actors or self.broker.messages:
            for actor in list(self.stage.actors):
                self.stage.resume(actor)
            self.broker.listen()
            self._deliver()
            self.clock.elapsed += 0.05

    def _go_on(self) -> None:
        awake = [actor for actor in self.stage.actors if actor.frozen_until <= self.clock.elapsed]
        if awake:
            self.stage.resume(self.random.choice(awake))

    def _deliver(self) -> None:
        if sum(actor.role == "worker" for actor in self.stage.actors) >= WORKERS:
            return
        run = self.broker.deliver()
        if run is not None:
            name = self._name("worker")
            self.stage.spawn(name, "worker", lambda: executor.drive(UUID(run), worker=name), about=run)
            self.trace.say(name, f"is rung for {run}")

    def _time_passes(self) -> None:
        self.clock.elapsed += self.random.choice([0.01, 0.2, 0.5, 1, 3])

    def _jump(self) -> None:
        """Hours pass in which nobody did anything. Or every clock is set back, when no worker is in the middle of a
        step: its lease and its deadline are moments on that clock, and only the lease is held by others.
        """
        seconds = self.random.choice([20, 300, 7200])
        if any(actor.role == "worker" for actor in self.stage.actors):
            self.clock.elapsed += seconds
        else:
            self.clock.offset -= min(seconds, 600)
        self.trace.say("world", f"clock jumps, wall clock says {self.clock.wall()}")

    def _sweep(self) -> None:
        if sum(actor.role == "sweep" for actor in self.stage.actors) < SWEEPS:
            self.stage.spawn(self._name("sweep"), "sweep", executor.sweep)

    def _start(self) -> None:
        """One more run, or an impatient second click for one that was begun."""
        is_new = self.random.random() < 0.9
        number = len(self.runs) if is_new else self.random.randrange(len(self.runs) or 1)
        if number == RUNS:
            return
        self.stage.spawn("analyst", "person", lambda: self._click(number))

    def _click(self, number: int) -> None:
        slug, caller = self.slugs[number % len(self.slugs)], self.people.cast.caller("analyst")
        run = runs.start(slug, caller=caller, idempotency_key=f"click-{number}")
        if number not in self.runs:
            self.runs[number] = run.pk
            self.trace.name(run.pk, f"run{number}")
        self.trace.say("analyst", f"starts {run.pk} of {slug}")

    def _person(self) -> None:
        self.people.does_something()

    def _sequence(self) -> None:
        self.stage.spawn(self._name("sequencer"), "sequencer", lambda: sequence_once(self.signer))

    def _kill(self) -> None:
        begun = [actor for actor in self.stage.actors if actor.greenlet]
        if begun:
            self.stage.kill(self.random.choice(begun))

    def _freeze(self) -> None:
        """Long enough to be believed dead, sometimes."""
        workers = [actor for actor in self.stage.actors if actor.role == "worker"]
        if workers:
            actor = self.random.choice(workers)
            actor.frozen_until = self.clock.elapsed + self.random.choice([5, 20, 60])
            self.trace.say(actor.name, "is frozen")

    def _outage(self) -> None:
        self.stage.down_until = self.clock.elapsed + self.random.choice([0.3, 3, 15])
        self.trace.say("world", "the database is down")

    def _name(self, role: str) -> str:
        self._names += 1
        return f"{role}{self._names}"
