"""`manage.py dry_run PLAYBOOK[@N]`: tells what a version would do and ask, with nothing done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser

from playbooks.domain.dry_runs.record import PathStep
from playbooks.domain.problems import Unreadable
from playbooks.domain.strict_json import read_json
from playbooks.models import PlaybookVersion, Principal
from playbooks.operations import dry_runs
from playbooks.operations.caller import Caller
from playbooks.operations.dry_runs import About, DryRun, Reads
from playbooks.operations.refusals import Invalid, Missing, Refused


class Command(BaseCommand):
    help = "Walks a version, the newest one unless @N names another: the path, the would-be actions and approvals."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("playbook", metavar="PLAYBOOK[@N]")
        parser.add_argument("--as", dest="person", default="analyst", help="who asks for it")
        about = parser.add_mutually_exclusive_group()
        about.add_argument("--alert", type=UUID, metavar="ID", help="a stored alert")
        about.add_argument("--sample", type=Path, metavar="FILE", help="an alert in normal form, as JSON")
        parser.add_argument("--input", action="append", default=[], metavar="NAME=VALUE")
        parser.add_argument(
            "--choose", action="append", default=[], metavar="STEP=CHOICE", help="such as gate=deny"
        )
        parser.add_argument("--reads", choices=[each.value for each in Reads], default=Reads.SIMULATED.value)

    def handle(self, *args: Any, **options: Any) -> None:
        person = Principal.objects.filter(username=options["person"]).first()
        if person is None:
            raise CommandError(f"There is nobody called {options['person']}; name somebody with --as.")
        about = About(
            alert=options["alert"],
            sample=_sample(options["sample"]) if options["sample"] else None,
            inputs=dict(_pair(each) for each in options["input"]),
            choose=dict(_pair(each) for each in options["choose"]),
            reads=Reads(options["reads"]),
        )
        try:
            told = dry_runs.dry_run(*_version(options["playbook"]), about, caller=Caller(person))
        except (Refused, Missing) as error:
            raise CommandError(str(error)) from error
        except Invalid as error:
            raise CommandError(
                "\n".join(f"{place}: {sentence}" for place, sentence in error.errors)
            ) from error
        self._tell(told)

    def _tell(self, told: DryRun) -> None:
        self._path(told.path, "")
        for action in told.actions:
            at = f" over {action.connection}" if action.connection else ""
            self.stdout.write(f"would send {action.step}: {action.action}{at} {_text(action.parameters)}")
            if "problem" in action.sends:
                self.stdout.write(f"  would be refused: {action.sends['problem']}")
        for approval in told.approvals:
            self.stdout.write(f"would ask {approval.step}: {approval.question} ({', '.join(approval.seats)})")
            if approval.deciders is not None:
                self.stdout.write(f"  could decide now: {', '.join(approval.deciders) or 'nobody'}")
            if approval.problem:
                self.stdout.write(f"  {approval.problem}")
        for question in told.questions:
            self.stdout.write(f"would ask {question.step}: {question.question} ({question.role})")
        for undoing in told.undoing:
            self.stdout.write(f"would take back {undoing['step']}: {undoing['action']}")
        for note in told.notes:
            self.stdout.write(note)
        self.stdout.write(f"{told.playbook} {told.number} {told.status} {told.sentence}".rstrip())

    def _path(self, steps: Sequence[PathStep], within: str) -> None:
        for step in steps:
            self.stdout.write(f"{within}{step.key}: {step.status} {step.sentence}".rstrip())
            for turn in step.turns:
                self._path(turn.steps, within)
            if step.turns_left_out:
                self.stdout.write(f"{within}{step.key}: {step.turns_left_out} more turns are not shown")
            if step.run is not None:
                self._path(step.run.path, f"{within}{step.key} › ")


def _version(text: str) -> tuple[str, int]:
    """The slug and the number; of a playbook without @N the newest."""
    slug, _, number = text.partition("@")
    if number:
        if not number.isdecimal():
            raise CommandError(f"Write a version as PLAYBOOK@N, with a number, not {text!r}.")
        return slug, int(number)
    newest = PlaybookVersion.objects.filter(playbook__slug=slug).order_by("-number").first()
    if newest is None:
        raise CommandError(f"There is no playbook {slug}.")
    return slug, newest.number


def _sample(path: Path) -> Mapping[str, Any]:
    try:
        value = read_json(path.read_bytes())
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
    except Unreadable as error:
        places = "\n".join(f"{path}:{each.line}:{each.column}: {each.message}" for each in error.problems)
        raise CommandError(places) from error
    if not isinstance(value, dict):
        raise CommandError(f"{path} holds no JSON object.")
    return value


def _pair(text: str) -> tuple[str, object]:
    """NAME=VALUE; a value that reads as JSON is that, anything else is text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"Write NAME=VALUE, not {text!r}.")
    try:
        return name, orjson.loads(value)
    except orjson.JSONDecodeError:
        return name, value


def _text(value: Mapping[str, Any]) -> str:
    return orjson.dumps(dict(value), option=orjson.OPT_SORT_KEYS).decode()
