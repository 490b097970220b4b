"""`manage.py work`: the local worker of the embedded default.

It hears the doorbell on a socket in SOAR_HOME, drives runs on a few threads, and sweeps once a second. With a broker,
`celery -A soar worker` and `celery -A soar beat` do the same.
"""

from __future__ import annotations

import json
import logging
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from celery import current_app
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection

from playbooks.operations import bell

logger = logging.getLogger(__name__)

SWEEP = "playbooks.sweep"


class Command(BaseCommand):
    help = "Drives runs on this machine, without a broker."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--threads", type=int, default=4, help="how many runs are driven at once")
        parser.add_argument("--sweep-every", type=float, default=1.0, help="seconds between two sweeps")

    def handle(self, *args: Any, **options: Any) -> None:
        current_app.loader.import_default_modules()
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        with ThreadPoolExecutor(options["threads"] + 1) as pool, _doorbell() as door:
            threading.Thread(target=_sweep, args=(pool, stop, options["sweep_every"]), name="sweep").start()
            _listen(door, pool, stop)


@contextmanager
def _doorbell() -> Iterator[socket.socket]:
    path = Path(bell.socket_path())
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.bind(str(path))
        path.chmod(0o600)
        door.settimeout(0.5)
        yield door
    path.unlink(missing_ok=True)


def _listen(door: socket.socket, pool: ThreadPoolExecutor, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            message = door.recv(4096)
        except TimeoutError:
            continue
        task, *arguments = json.loads(message)
        pool.submit(_run, task, arguments).add_done_callback(_report)


def _run(task: str, arguments: list[str]) -> None:
    try:
        current_app.tasks[task](*arguments)
    finally:
        connection.close_if_unusable_or_obsolete()


def _report(done: Future[None]) -> None:
    """What a task could not finish is found again by the sweep; the log says why."""
    error = done.exception()
    if error is not None:
        logger.error("A task failed and will be tried again: %s", ", ".join(_names(error)))


def _names(error: BaseException) -> list[str]:
    """What broke, and where, without messages: those may quote rows."""
    if isinstance(error, BaseExceptionGroup):
        return [name for each in error.exceptions for name in _names(each)]
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"
    return [f"{type(error).__name__} at {place}"]


def _sweep(pool: ThreadPoolExecutor, stop: threading.Event, every: float) -> None:
    """One sweep at a time, each in the pool, so that what breaks one is logged and the next one looks again."""
    while not stop.wait(every):
        sweep = pool.submit(_run, SWEEP, [])
        sweep.add_done_callback(_report)
        wait([sweep])
