"""`manage.py audit_export`: writes evidence to a file."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from playbooks.audit import Actor, bundle, scopes

ACTOR = Actor("system:audit_export", "manage.py audit_export")


class Command(BaseCommand):
    help = "Exports a case, a run, what a person did, or a period, as an evidence bundle or as JSON lines."

    def add_arguments(self, parser: ArgumentParser) -> None:
        about = parser.add_mutually_exclusive_group(required=True)
        about.add_argument("--case", help="the id of a case")
        about.add_argument("--run", help="the id of a run")
        about.add_argument("--person", help="the id of a person")
        about.add_argument(
            "--from", dest="since", type=_moment, help="the beginning of a period, as 2026-11-23"
        )
        parser.add_argument("--to", dest="until", type=_moment, help="its end (excluded); default: now")
        parser.add_argument("--format", choices=bundle.FORMS, default="bundle")
        parser.add_argument(
            "-o", "--output", type=Path, required=True, help="the file to write; it must not exist"
        )

    def handle(self, *_args: Any, output: Path, **options: Any) -> None:
        scope = _scope(options)
        try:
            with output.open("xb") as file:
                bundle.make(scope, file, actor=ACTOR, now=timezone.now(), form=options["format"])
        except FileExistsError as error:
            raise CommandError(f"{output} exists. Name a file that does not.") from error
        except bundle.ExportError as error:
            output.unlink()
            raise CommandError(str(error)) from error
        self.stdout.write(f"{scope}: written to {output}")


def _scope(options: dict[str, Any]) -> scopes.Scope:
    for kind, make in {"case": scopes.case, "run": scopes.run, "person": scopes.person}.items():
        if options[kind]:
            return make(options[kind])
    return scopes.period(options["since"], options["until"] or timezone.now())


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
