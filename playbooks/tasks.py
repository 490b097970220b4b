"""Celery's entry points. They carry primary keys and no state."""

from __future__ import annotations

import os
import socket
from uuid import UUID

from celery import shared_task

from playbooks import executor


@shared_task(name="playbooks.drive")
def drive(run: str) -> None:
    """Drives a run until it waits or ends."""
    executor.drive(UUID(run), worker=worker_name())


@shared_task(name="playbooks.sweep")
def sweep() -> None:
    """One round of the sweep; beat rings it every second."""
    executor.sweep()


@shared_task(name="playbooks.deliver")
def deliver() -> None:
    """Sends some of the notices that are due; the sweep rings again while there are more."""
    executor.deliver()


def worker_name() -> str:
    return f"{socket.gethostname()}/{os.getpid()}"
