"""`manage.py token USER --scope S…`: an API token, printed once; `manage.py token PREFIX --revoke` ends one."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from playbooks.models import Principal
from playbooks.operations import people
from playbooks.operations.caller import SYSTEM
from playbooks.operations.refusals import Invalid, Missing


class Command(BaseCommand):
    help = "Issues an API token; its text is shown once. No token can decide an approval."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "username", help="whose it is; with --revoke, the beginning of the token as it is shown"
        )
        parser.add_argument("--scope", action="append", default=[], choices=sorted(people.SCOPES))
        parser.add_argument("--revoke", action="store_true", help="take a token out of force instead")
        parser.add_argument("--days", type=int, default=people.DEFAULT_DAYS)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["revoke"]:
            self._revoke(options["username"])
            return
        person = Principal.objects.filter(username=options["username"]).first()
        if person is None:
            raise CommandError(f"There is nobody called {options['username']}.")
        try:
            text = people.issue_token(person, actor=SYSTEM, scopes=options["scope"], days=options["days"])
        except Invalid as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Token of {person} for {options['days']} days, shown once: {text}")

    def _revoke(self, prefix: str) -> None:
        try:
            people.revoke_token(prefix, actor=SYSTEM)
        except Missing as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"The token {prefix}… is out of force.")
