"""`manage.py demo`: fills an empty database with the demo."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from playbooks.management import demo
from playbooks.models import Principal


class Command(BaseCommand):
    help = "Loads the demo's people, playbooks, alerts and runs into an empty database."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("The demo is never loaded in production (SOAR_PRODUCTION is true).")
        if Principal.objects.exists():
            raise CommandError(
                "The database is not empty: it holds somebody's work, or a demo whose loading was interrupted. "
                f"For a fresh demo delete {settings.SOAR_HOME}, or set SOAR_HOME to an empty directory."
            )
        demo.load()
        self.stdout.write(demo.sign_ins())
