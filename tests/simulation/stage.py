"""The stage: actors take turns, and a seeded generator says who is next and who dies where.

An actor is one call into the product (a worker drives a run, a sweep looks, a person decides) on a greenlet of its
own. All share one connection to the database, so an actor gives way only between transactions: at the executor's
seams, in the middle of a call to the far side, and before a statement that stands alone. A death may come anywhere,
also at any statement within a transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from django.db import OperationalError, connection
from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]

from playbooks.executor import seams
from tests.simulation.clock import Clock
from tests.simulation.trace import Trace

MOST_STATEMENTS_TO_LIVE = 40


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it, and an open transaction rolls back."""


@dataclass(eq=False)
class Actor:
    """`statements_left` until it dies or loses its connection (None: it lives); `frozen_until` is in elapsed
    seconds. `about` is the run that a worker drives.
    """

    name: str
    role: str  # worker, sweep, person
    skew: float
    about: str = ""
    statements_left: int | None = None
    loses_connection: bool = False
    frozen_until: float = 0.0
    is_dying: bool = False
    greenlet: greenlet = field(init=False)


@dataclass
class Chances:
    """Of what goes wrong, each between 0 and 1; all 0 when the world has calmed down."""

    death_in_transaction: float = 0.01
    death_at_seam: float = 0.03
    gives_way: float = 0.15

    @classmethod
    def none(cls) -> Chances:
        return cls(0, 0, 0)


class Stage:
    def __init__(self, random: Random, clock: Clock, trace: Trace, chances: Chances) -> None:
        self.random = random
        self.clock = clock
        self.trace = trace
        self.chances = chances
        self.actors: list[Actor] = []
        self.down_until = 0.0  # elapsed seconds; until then the database refuses everybody
        self.defects: list[BaseException] = []
        self._hub = getcurrent()
        self._current: Actor | None = None

    def spawn(self, name: str, role: str, call: Callable[[], object], *, about: str = "") -> Actor:
        skew = 0.0 if role == "person" else round(self.random.uniform(-4, 4), 1)
        actor = Actor(name, role, skew, about)
        actor.greenlet = greenlet(lambda: self._play(actor, call), self._hub)
        self.actors.append(actor)
        return actor

    def resume(self, actor: Actor) -> None:
        """The actor goes on until it gives way, ends or dies."""
        if actor.statements_left is None and self._happens(self.chances.death_in_transaction):
            actor.statements_left = self.random.randrange(1, MOST_STATEMENTS_TO_LIVE)
            actor.loses_connection = self.random.random() < 0.5
        self._switch(actor, actor.greenlet.switch)

    def kill(self, actor: Actor) -> None:
        self.trace.say(actor.name, "is killed")
        actor.is_dying = True
        self._switch(actor, actor.greenlet.throw, Killed)

    def calm_down(self) -> None:
        """From now on nobody dies, and the database is there."""
        self.chances, self.down_until = Chances.none(), 0
        for actor in self.actors:
            actor.statements_left = None

    def give_way(self, where: str) -> None:
        """Called by an actor: somebody else may go on here. Outside of any actor nothing happens."""
        actor = self._current
        if actor is None or actor.is_dying or connection.in_atomic_block:
            return
        self.trace.say(actor.name, where)
        self._hub.switch()

    def at_seam(self, seam: seams.Seam) -> None:
        """The visitor of the executor's seams."""
        actor = self._current
        if actor is None or actor.is_dying:
            return
        if self._happens(self.chances.death_at_seam):
            self.trace.say(actor.name, f"dies at {seam}")
            actor.is_dying = True
            raise Killed
        self.give_way(str(seam))

    def at_statement(
        self, execute: Callable[..., Any], sql: str, parameters: object, many: bool, context: dict[str, Any]
    ) -> Any:
        """Stands before every statement (Django's `execute_wrapper`)."""
        actor = self._current
        if actor is not None and not actor.is_dying:
            self._may_lose_database(actor)
            self._may_die(actor)
            if not sql.startswith("BEGIN") and self._happens(self.chances.gives_way):
                self.give_way(f"before {sql[:40]}")
                self._may_lose_database(actor)
        return execute(sql, parameters, many, context)

    def _play(self, actor: Actor, call: Callable[[], object]) -> None:
        try:
            call()
        except Killed:
            pass
        except OperationalError as error:
            self.trace.say(actor.name, f"fails: {error}")
        except BaseExceptionGroup as group:
            self._keep_defects(actor, group.split(OperationalError)[1])
        except Exception as error:  # noqa: BLE001 - whatever an actor was not meant to meet is a defect
            self._keep_defects(actor, error)

    def _keep_defects(self, actor: Actor, error: BaseException | None) -> None:
        if error is not None:
            self.trace.say(actor.name, f"raises {error!r}")
            self.defects.append(error)

    def _switch(self, actor: Actor, how: Callable[..., object], *arguments: object) -> None:
        self.clock.show(actor.skew)
        self._current = actor
        try:
            how(*arguments)
        finally:
            self._current = None
            self.clock.show()
        if actor.greenlet.dead:
            self.actors.remove(actor)

    def _may_lose_database(self, actor: Actor) -> None:
        if self.clock.elapsed < self.down_until:
            raise OperationalError("the database is down")

    def _may_die(self, actor: Actor) -> None:
        if actor.statements_left is None:
            return
        actor.statements_left -= 1
        if actor.statements_left > 0:
            return
        actor.statements_left = None
        if actor.loses_connection:
            raise OperationalError("the connection to the database was lost")
        self.trace.say(actor.name, "dies at a statement")
        actor.is_dying = True
        raise Killed

    def _happens(self, chance: float) -> bool:
        return chance > 0 and self.random.random() < chance
