"""Runs that are started and approved without end, while the database comes and goes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection

from playbooks import executor
from playbooks.domain.statuses import RUN_ENDED, RequestStatus, StepStatus, Verdict
from playbooks.models import ApprovalRequest, Run, Step
from playbooks.operations import approvals, runs
from playbooks.operations.refusals import Refused
from playbooks.operations.runs import Resolution
from tests.cast import Cast, publish
from tests.simulation.filed import Filed
from tests.simulation.people import APPROVERS

KINDS = ("safe", "keyed", "lookup", "never")
MOST_OPEN = 40


def _step(number: int, kind: str, more: str = "") -> str:
    return f"  - {{id: s{number}, do: far.{kind}, with: {{target: '${{ run.id }}/s{number}'}}{more}}}\n"


STEPS = {
    **{f"chain-{kind}": "".join(_step(number, kind) for number in range(6)) for kind in KINDS},
    "fan": _step(0, "safe")
    + "".join(_step(number, kind, ", needs: [s0]") for number, kind in enumerate(KINDS, 1))
    + _step(5, "keyed", ", needs: [s1, s2, s3, s4]"),
    "gated": _step(0, "safe")
    + "  - {id: gate, approve: Go on?, seats: [{role: tier-2}, {role: network-owner}], within: 1h}\n"
    + _step(2, "never")
    + _step(3, "lookup"),
    "undone": _step(0, "keyed")
    + _step(1, "lookup")
    + _step(2, "never", ", needs: [s0]")
    + "  - {id: s3, needs: [s1, s2], set: {nothing: '${ 1 / 0 }'}}\n",
}


class Load:
    """`runs` are those that were answered for, by the number of the click; a click that was not is repeated."""

    def __init__(self, cast: Cast, far: Filed) -> None:
        self.runs: dict[int, UUID] = {}
        self.errors: list[Exception] = []
        self._cast = cast
        self._far = far
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="load")
        for slug, steps in STEPS.items():
            publish(cast, f"playbook: {slug}\ntitle: {slug}\non_failure: rollback\nsteps:\n{steps}")

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Until the block ends."""
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()

    def _go_on(self) -> None:
        while not self._stop.wait(0.005):
            try:
                self._click()
                self.approve()
            except (OperationalError, InterfaceError):
                connection.close()  # the next one finds a database, or does not
            except Exception as error:  # noqa: BLE001 - told at the end
                self.errors.append(error)
        connection.close()

    def _click(self) -> None:
        if Run.objects.exclude(status__in=RUN_ENDED).count() > MOST_OPEN:
            return
        number, caller = len(self.runs), self._cast.caller("analyst")
        slug = list(STEPS)[number % len(STEPS)]
        self.runs[number] = runs.start(slug, caller=caller, idempotency_key=f"click-{number}").pk

    def approve(self) -> None:
        for request in ApprovalRequest.objects.filter(status=RequestStatus.OPEN):
            for person in APPROVERS:
                with suppress(Refused):  # they did already, and the answer was lost
                    approvals.decide(
                        request.pk,
                        caller=self._cast.caller(person),
                        verdict=Verdict.APPROVE,
                        shown_digest=request.digest,
                    )

    def resolve(self) -> None:
        """Says the truth about every step of which nobody knows, when no worker is left that could still act."""
        for step in Step.objects.filter(status=StepStatus.UNKNOWN):
            keys = self._far.keys()
            happened = any(each.idempotency_key in keys for each in step.attempts.all())
            runs.resolve(
                step.run_id,
                step.key,
                caller=self._cast.caller("analyst"),
                resolution=Resolution.HAPPENED if happened else Resolution.DID_NOT_HAPPEN,
                comment="Seen at the far side.",
            )

    def drive(self) -> None:
        for run in Run.objects.exclude(status__in=RUN_ENDED):
            executor.drive(run.pk, worker="heir")
