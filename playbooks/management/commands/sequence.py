"""`manage.py sequence`: the only process that signs the audit log."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections

from playbooks.audit.sequencer import ForkError, sequence_once
from playbooks.audit.signing import Signer, SigningKeyError, load_signer
from playbooks.domain.notes import NoteError

PAUSE = 1.0  # seconds between looks


class Command(BaseCommand):
    help = "Takes new audit entries into the tree and signs checkpoints, once a second."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="take what is waiting, sign, and end")

    def handle(self, *_args: Any, once: bool, **_options: Any) -> None:
        try:
            signer = load_signer(settings.SOAR_HOME)
            _drain(signer)
            if not once:
                _run(signer)
        except (ForkError, SigningKeyError, NoteError) as error:
            raise CommandError(f"Nothing is signed any more. {error}") from error


def _drain(signer: Signer) -> None:
    while sequence_once(signer) is not None:
        pass


def _run(signer: Signer) -> None:
    """Until the process is told to stop."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.wait(PAUSE):
        close_old_connections()
        _drain(signer)
