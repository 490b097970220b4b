"""What every workload plays with: people, a connection, playbooks, and waiting for runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from subprocess import Popen

from playbooks.models import PlaybookVersion, Run
from playbooks.operations import connections, runs
from tests import cast
from tests.bench.crew import Crew
from tests.cast import Cast


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured. `repeats` rounds are run and their median taken."""

    runs: int  # at once, of ten steps
    alone: int  # one after the other, of ten steps
    fan: int  # parallel steps of one run
    parked: tuple[int, ...]  # runs that wait at the same gate meanwhile
    signals: int  # approvals for each of those
    posts: int  # requests in a round
    rows: int  # runs that have ended, and a tenth as many that wait
    steps: int  # that one process performs while its memory is watched
    repeats: int = 5


TENTH = Sizes(
    runs=30, alone=10, fan=20, parked=(0, 1_000, 10_000), signals=10, posts=100, rows=100_000, steps=10_000
)
FULL = Sizes(
    runs=300,
    alone=50,
    fan=200,
    parked=(0, 1_000, 10_000),
    signals=50,
    posts=1_000,
    rows=1_000_000,
    steps=100_000,
)


@dataclass
class Scene:
    """`worker` is the one process of the crew that performs steps."""

    database: str
    sizes: Sizes
    people: Cast
    crew: Crew
    worker: Popen[bytes]

    def start(self, slug: str) -> Run:
        """A run that the analyst asked for."""
        return runs.start(slug, caller=self.people.caller("analyst"))

    def publish(self, slug: str, steps: str) -> PlaybookVersion:
        return cast.publish(self.people, f"playbook: {slug}\ntitle: {slug}\nsteps:\n{steps}")


def prepare() -> Cast:
    """The cast, with the connection that the playbooks use."""
    people = cast.make_cast()
    connections.configure("noop", caller=people.caller("admin"), connector="noop", settings={}, secrets={})
    return people


def chain(action: str, length: int) -> str:
    """The steps of a playbook, one after the other."""
    return "".join(f"  - {{id: s{number}, do: {action}}}\n" for number in range(1, length + 1))


def wait_for(condition: Callable[[], bool], what: str, *, every: float = 0.005, within: float = 60) -> None:
    """Looks every so many seconds. Raises TimeoutError."""
    give_up_at = time.monotonic() + within
    while not condition():
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"After {within:g} seconds still not: {what}.")
        time.sleep(every)


def wait_until_ended(version: PlaybookVersion, *, every: float = 0.005) -> None:
    """Waits for every run of the version."""
    left = Run.objects.filter(version=version, ended_at=None)
    wait_for(lambda: not left.exists(), f"all runs of {version} ended", every=every)
