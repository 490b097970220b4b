"""`manage.py library [NAME…]`: lists the playbooks that ship with the product, or installs some of them."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from playbooks.management.library import SHIPPED, install


class Command(BaseCommand):
    help = (
        "Without a name: what there is. With names: installs these and what they run, published as shipped."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="*", metavar="NAME")

    def handle(self, *args: Any, **options: Any) -> None:
        unknown = [name for name in options["names"] if name not in SHIPPED]
        if unknown:
            raise CommandError(f"There is no {', '.join(unknown)}. There are {', '.join(SHIPPED)}.")
        for name in options["names"]:
            version = install(name)
            self.stdout.write(f"{name} is installed: version {version.number}, {version.status}.")
        if not options["names"]:
            self.stdout.write("\n".join(SHIPPED))
