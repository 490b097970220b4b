"""`manage.py library [NAME…]`: lists the playbooks that ship with the product, or installs some of them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from playbooks.operations import playbooks

LIBRARY = {path.stem: path for path in sorted((settings.BASE_DIR / "playbooks" / "library").glob("*.yaml"))}


class Command(BaseCommand):
    help = "Without a name: what there is. With names: installs these, published as they were shipped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="*", metavar="NAME")

    def handle(self, *args: Any, **options: Any) -> None:
        unknown = [name for name in options["names"] if name not in LIBRARY]
        if unknown:
            raise CommandError(f"There is no {', '.join(unknown)}. There are {', '.join(LIBRARY)}.")
        for name in options["names"]:
            version = playbooks.ship(LIBRARY[name].read_text(encoding="utf-8"))
            self.stdout.write(f"{name} is installed: version {version.number}, {version.status}.")
        if not options["names"]:
            self.stdout.write("\n".join(LIBRARY))
