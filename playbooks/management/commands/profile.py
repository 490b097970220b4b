"""`manage.py profile [team|pair|solo]`: says which profile holds, or chooses one at the installation."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from playbooks.domain.profiles import Profile
from playbooks.operations import profiles
from playbooks.operations.refusals import Refused
from playbooks.queries.profiles import profile


class Command(BaseCommand):
    help = "Says how far duties are segregated here; with a name, chooses that while fewer than two people decide."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("profile", nargs="?", choices=[each.value for each in Profile])

    def handle(self, *args: Any, **options: Any) -> None:
        if options["profile"]:
            try:
                profiles.choose(Profile(options["profile"]))
            except Refused as refusal:
                raise CommandError(str(refusal)) from refusal
        here = profile()
        self.stdout.write(f"{here.profile}: {here.meaning}")
        if here.pending and here.pending.takes_effect_at:
            until = f"{here.pending.takes_effect_at:%Y-%m-%d %H:%M} UTC"
            self.stdout.write(f"{here.pending.profile} holds from {until}, unless it is withdrawn.")
