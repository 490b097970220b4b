"""`manage.py token USER --scope S…`: an API token for a person or service account, printed once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from playbooks.models import Principal
from playbooks.operations import people
from playbooks.operations.caller import SYSTEM
from playbooks.operations.refusals import Invalid


class Command(BaseCommand):
    help = "Issues an API token; its text is shown once. No token can decide an approval."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--scope", action="append", required=True, choices=sorted(people.SCOPES))
        parser.add_argument("--days", type=int, default=people.DEFAULT_DAYS)

    def handle(self, *args: Any, **options: Any) -> None:
        person = Principal.objects.filter(username=options["username"]).first()
        if person is None:
            raise CommandError(f"There is nobody called {options['username']}.")
        try:
            text = people.issue_token(person, actor=SYSTEM, scopes=options["scope"], days=options["days"])
        except Invalid as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Token of {person} for {options['days']} days, shown once: {text}")
