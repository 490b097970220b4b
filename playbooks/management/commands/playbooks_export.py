"""`manage.py playbooks_export DIRECTORY`: each playbook in force as a file, byte for byte as it was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from playbooks.management.tree import write
from playbooks.queries import playbooks


class Command(BaseCommand):
    help = "Writes NAME.yaml for every playbook in force. Files of playbooks that are not are left alone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", type=Path, metavar="DIRECTORY")
        parser.add_argument("--drafts", action="store_true", help="the newest version of each, also a draft")

    def handle(self, *args: Any, **options: Any) -> None:
        directory, written, same = options["directory"], 0, 0
        directory.mkdir(parents=True, exist_ok=True)
        problems = []
        for slug, text in playbooks.texts(drafts=options["drafts"]):
            try:
                is_new = write(directory, slug, text)
            except OSError as error:
                problems.append(f"{directory / slug}.yaml: {error}")
                continue
            written, same = written + is_new, same + (not is_new)
        self.stdout.write(f"{written} written, {same} unchanged.")
        if problems:
            raise CommandError("\n".join(problems))
