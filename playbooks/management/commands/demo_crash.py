"""`make demo-crash`: kills the worker of the running demo in the middle of an action, and shows what becomes of it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from playbooks.domain.statuses import RUN_ENDED, AttemptStatus, StepStatus, Verdict
from playbooks.management import demo
from playbooks.models import Attempt, PlaybookVersion, Run
from playbooks.operations import approvals, playbooks, runs

PLAYBOOK = Path(demo.__file__).parent / "demo_crash.yaml"
PATIENCE = 60.0  # seconds


class Command(BaseCommand):
    help = "Needs the demo to be running (make run) in another terminal."

    def handle(self, *args: Any, **options: Any) -> None:
        if not PlaybookVersion.objects.filter(playbook__slug="demo-crash").exists():
            playbooks.ship(PLAYBOOK.read_text(encoding="utf-8"))
        address = f"198.18.{secrets.randbelow(256)}.{secrets.randbelow(254) + 1}"
        run = runs.start("demo-crash", caller=demo.caller("analyst"), inputs={"address": address})
        self.stdout.write(f"A run blocks {address} at the gateway, which takes five seconds to answer.")
        self._approve(run)
        attempt = _wait(lambda: _performing(run, address), "The worker did not begin. Is `make run` running?")
        self._kill(attempt)
        self.stdout.write(
            "The address is blocked already, and nobody has heard the answer. Waiting for the lease …"
        )
        _wait(lambda: _is_over(run) or None, "The run did not end.")
        self._report(run, address)

    def _approve(self, run: Run) -> None:
        """As another person of the demo than the one who asked: the policy on changes in production wants one."""
        request = _wait(run.requests.first, "The run asks nobody. Is `make run` running?")
        tier2 = demo.caller("tier2")
        approvals.decide(request.pk, caller=tier2, verdict=Verdict.APPROVE, shown_digest=request.digest)
        self.stdout.write(f"{tier2.principal} approves it, as the policy on changes in production asks.")

    def _kill(self, attempt: Attempt) -> None:
        pid = int(attempt.worker.rpartition("/")[2])
        os.kill(pid, signal.SIGKILL)
        self.stdout.write(
            f"Killed the worker (process {pid}) with SIGKILL in the middle of attempt {attempt.number}."
        )

    def _report(self, run: Run, address: str) -> None:
        step = run.steps.get(key="block")
        for each in step.attempts.order_by("number"):
            self.stdout.write(f"  attempt {each.number}: {each.status}  {each.sentence}".rstrip())
        effects = _blocked().get(address, 0)
        self.stdout.write(f"The run {run.status}; the gateway counts {effects} effect for {address}.")
        self.stdout.write(f"See http://localhost:{settings.PORT}/runs/{run.pk}/ and roll it back there.")
        if effects != 1:
            raise CommandError("That should have been exactly one.")


def _performing(run: Run, address: str) -> Attempt | None:
    """The attempt under way, as soon as its effect has reached the gateway."""
    attempt = Attempt.objects.filter(step__run=run, status=AttemptStatus.RUNNING).first()
    return attempt if attempt and address in _blocked() else None


def _is_over(run: Run) -> bool:
    run.refresh_from_db()
    return run.status in RUN_ENDED or run.steps.filter(status=StepStatus.UNKNOWN).exists()


def _blocked() -> dict[str, int]:
    url = f"http://127.0.0.1:{settings.PORT + 1}/blocked"
    with urllib.request.urlopen(url, timeout=5) as answer:
        listed: dict[str, int] = json.load(answer)
    return listed


Found = TypeVar("Found")


def _wait(look: Callable[[], Found | None], otherwise: str) -> Found:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise CommandError(otherwise)
