"""`manage.py check_playbook FILE…`: every problem of each file, as file:line:col: message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from playbooks.domain.check import check
from playbooks.operations.actions import actions


class Command(BaseCommand):
    help = "Checks playbook files; exits with 1 when one has a problem."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        found = sum(self._check(Path(name)) for name in options["files"])
        if found:
            raise CommandError(f"{found} problem{'s' if found > 1 else ''}.")

    def _check(self, path: Path) -> int:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            self.stdout.write(f"{path}:1:1: cannot be read: {error}")
            return 1
        problems = check(text, actions()).problems
        for problem in problems:
            self.stdout.write(f"{path}:{problem.line}:{problem.column}: {problem.message}")
        return len(problems)
