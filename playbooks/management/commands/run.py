"""`manage.py run PLAYBOOK`: starts a run from the command line, on behalf of a named person."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser

from playbooks.domain.statuses import RUN_ENDED, StepStatus
from playbooks.models import Principal, Run
from playbooks.operations import runs
from playbooks.operations.caller import Caller
from playbooks.operations.refusals import Invalid, Missing, Refused

LOOK_EVERY = 0.5


class Command(BaseCommand):
    help = "Starts a run; the person named with --as counts as its requester and cannot approve it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("playbook")
        parser.add_argument("--as", dest="person", default="analyst", help="who asks for it")
        parser.add_argument("--alert", type=UUID)
        parser.add_argument("--input", action="append", default=[], metavar="NAME=VALUE")
        parser.add_argument("--simulate", action="store_true")
        parser.add_argument(
            "--follow", action="store_true", help="print each step until the run ends or waits"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        person = Principal.objects.filter(username=options["person"]).first()
        if person is None:
            raise CommandError(f"There is nobody called {options['person']}; name somebody with --as.")
        try:
            run = runs.start(
                options["playbook"],
                caller=Caller(person),
                alert=options["alert"],
                inputs=dict(_input(each) for each in options["input"]),
                simulate=options["simulate"],
            )
        except (Refused, Invalid, Missing) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{run.pk} {run.status}")
        if options["follow"]:
            self._follow(run)

    def _follow(self, run: Run) -> None:
        """Prints each change until nothing but a person or a timer can move the run."""
        told: set[tuple[str, str]] = set()
        while True:
            run.refresh_from_db()
            steps = list(run.steps.order_by("round", "position"))
            for step in steps:
                if (step.key, step.status) not in told and step.status != StepStatus.PENDING:
                    told.add((step.key, step.status))
                    self.stdout.write(f"{step.key}: {step.status} {step.sentence}".rstrip())
            busy = any(step.status in {StepStatus.READY, StepStatus.RUNNING} for step in steps)
            if run.status in RUN_ENDED or not busy:
                self.stdout.write(f"{run.pk} {run.status}")
                return
            time.sleep(LOOK_EVERY)


def _input(text: str) -> tuple[str, object]:
    """NAME=VALUE; a value that reads as JSON is that, anything else is text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"Write an input as NAME=VALUE, not {text!r}.")
    try:
        return name, orjson.loads(value)
    except orjson.JSONDecodeError:
        return name, value
