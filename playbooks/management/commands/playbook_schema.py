"""`manage.py playbook_schema`: the language as JSON Schema, for editors."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand

from playbooks.domain.schema import json_schema


class Command(BaseCommand):
    help = "Prints the JSON Schema of playbooks; docs/author.md says how an editor uses it."

    def handle(self, *_: Any, **__: Any) -> None:
        self.stdout.write(json.dumps(json_schema(), indent=2, ensure_ascii=False))
