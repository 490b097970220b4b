"""`manage.py demo_gateway`: the demo's real target (management/gateway.py), on the port after the product's."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from playbooks.management import demo
from playbooks.management.gateway import Gateway


class Command(BaseCommand):
    help = "Runs the demo's small gateway."

    def handle(self, *args: Any, **options: Any) -> None:
        gateway = Gateway(settings.PORT + 1, demo.gateway_token(), settings.SOAR_HOME / "demo-gateway.json")
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        threading.Thread(target=gateway.serve_forever, daemon=True).start()
        stop.wait()
        gateway.closing.set()
        gateway.shutdown()
