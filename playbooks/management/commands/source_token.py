"""`manage.py source_token SOURCE`: an ingest token for an alert source, which is made when it is new."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from playbooks.operations import people
from playbooks.operations.caller import SYSTEM

KINDS = ("normal", "suricata")


class Command(BaseCommand):
    help = "Issues a token with which a source may post alerts and do nothing else."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", help="its name in the address, such as suricata")
        parser.add_argument("--kind", choices=KINDS, help="the form of its alerts; guessed from the name")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["source"]
        kind = options["kind"] or (name if name in KINDS else "normal")
        source = people.create_source(name, kind=kind, actor=SYSTEM)
        text = people.issue_source_token(source, actor=SYSTEM)
        self.stdout.write(f"Post to /api/v1/ingest/{name}/ with the token, shown once: {text}")
