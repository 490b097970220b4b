"""`manage.py first_administrator`: a one-time link for the first administrator, as long as nobody exists."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from playbooks.operations import first_administrator
from playbooks.operations.refusals import Refused


class Command(BaseCommand):
    help = "Prints a link by which the first administrator comes. It works once; an earlier one stops."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--url",
            default=f"http://localhost:{settings.PORT}",
            help="where browsers reach this installation",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            secret = first_administrator.offer()
        except Refused as error:
            raise CommandError(str(error)) from error
        hours = first_administrator.LIFETIME.total_seconds() // 3600
        self.stdout.write(
            "Nobody exists here yet. Make the first administrator by this link, which works once:\n"
        )
        self.stdout.write(f"  {options['url'].rstrip('/')}/first-administrator/{secret}/\n")
        self.stdout.write(f"It is good for {hours:.0f} hours. manage.py first_administrator prints another.")
