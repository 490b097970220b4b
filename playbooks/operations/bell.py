"""The doorbell: tells a worker, after the commit, that a run has work.

The message carries a task's name and primary keys only. A lost message costs seconds, because the sweep finds the
work in the database. With a broker the bell is a Celery message; on the embedded default it is a datagram to the
socket on which the local worker listens (decision 0003).
"""

from __future__ import annotations

import hashlib
import json
import logging
import socket
import tempfile
from pathlib import Path
from uuid import UUID

from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

DRIVE = "playbooks.drive"


def ring(run: UUID) -> None:
    """After the commit of the current transaction, asks a worker to drive the run."""
    transaction.on_commit(lambda: send(DRIVE, str(run)))


def send(task: str, *arguments: str) -> None:
    """Sends now. A bell that nobody hears is logged and no error: the sweep will find the work."""
    if settings.EMBEDDED:
        _send_locally(task, arguments)
        return
    try:
        current_app.send_task(task, args=arguments)
    except OperationalError as error:
        logger.warning("The broker did not take the bell for %s: %s", task, type(error).__name__)


def socket_path() -> str:
    """In SOAR_HOME, or, where that is too long for the address of a socket (104 bytes), a name made from it."""
    path = str(settings.SOAR_HOME / "bell.sock")
    if len(path.encode()) < 100:
        return path
    return str(
        Path(tempfile.gettempdir()) / f"countersign-{hashlib.sha256(path.encode()).hexdigest()[:16]}.sock"
    )


def _send_locally(task: str, arguments: tuple[str, ...]) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        bell.setblocking(False)
        try:
            bell.sendto(json.dumps([task, *arguments]).encode(), socket_path())
        except (FileNotFoundError, ConnectionRefusedError, BlockingIOError):
            logger.debug("No local worker listens; the sweep will find %s.", task)
