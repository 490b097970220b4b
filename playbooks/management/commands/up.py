"""`manage.py up`: the whole product on one machine, with no server to install."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from playbooks.management import demo
from playbooks.management.supervisor import Child, become
from playbooks.operations import first_administrator


class Command(BaseCommand):
    help = "Runs web, worker and sequencer together, and stops them together."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=settings.PORT)
        parser.add_argument(
            "--demo", action="store_true", help="load the demo first, where the database is empty"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.EMBEDDED:
            raise CommandError(
                "With SOAR_BROKER_URL set, start the parts one by one: see docs/administrator.md."
            )
        settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
        call_command("migrate", verbosity=0)
        os.environ["SOAR_PORT"] = str(options["port"])
        if options["demo"]:
            self._prepare_demo(options["port"])
        self.stdout.write(f"\nCountersign is at http://localhost:{options['port']}  (stop with Ctrl-C)")
        self._say_how_to_begin(options["port"], is_demo=options["demo"])
        self.stdout.flush()
        connections.close_all()
        os.chdir(settings.BASE_DIR)
        become(_children(options["port"], is_demo=options["demo"]))

    def _say_how_to_begin(self, port: int, *, is_demo: bool) -> None:
        if is_demo:
            self.stdout.write(demo.sign_ins())
        elif first_administrator.is_wanted():
            call_command("first_administrator", url=f"http://localhost:{port}", stdout=self.stdout)

    def _prepare_demo(self, port: int) -> None:
        os.environ["SOAR_DEMO"] = "true"
        settings.PORT = port
        if not demo.is_loaded():
            self.stdout.write("Loading the demo …")
            call_command("demo")


def _children(port: int, *, is_demo: bool) -> list[Child]:
    manage = [sys.executable, "manage.py"]
    web = [
        *[sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)],
        *[
            "--workers",
            "1",
            "--blocking-threads",
            "4",
            "--backpressure",
            "64",
            "--no-ws",
            "--log-level",
            "warning",
        ],
        "soar.wsgi:application",
    ]
    gateway = [sys.executable, "-m", "playbooks.management.gateway", str(port + 1), str(settings.SOAR_HOME)]
    children = [
        Child("web", web),
        Child("worker", [*manage, "work"]),
        Child("sequencer", [*manage, "sequence"]),
    ]
    return [*children, Child("gateway", gateway)] if is_demo else children
