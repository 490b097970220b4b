"""Where an installation of these tests lives: a home, a database and a broker of its own, gone afterwards."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import redis
from kombu import Connection
from psycopg.sql import SQL, Identifier

from tests.servers import POSTGRESQL, RABBITMQ, REDIS

Environment = Mapping[str, str]
QUEUE = "celery"  # Celery's own name for its only queue
CLAIM = "claimed-by-a-test"
PORTS = range(20_000, 32_000, 2)  # below those that the kernel gives to clients


@contextmanager
def embedded() -> Iterator[Environment]:
    """SQLite, and no broker."""
    with tempfile.TemporaryDirectory(prefix="countersign-") as home:
        yield _environment(home)


@contextmanager
def over_redis() -> Iterator[Environment]:
    """PostgreSQL, and a database of the Redis server that nobody else uses."""
    with _home_and_database() as environment, _redis() as broker:
        yield {**environment, "SOAR_BROKER_URL": broker}


@contextmanager
def over_rabbitmq() -> Iterator[Environment]:
    """PostgreSQL and RabbitMQ, whose queue is emptied before and afterwards."""
    with _home_and_database() as environment:
        _purge()
        try:
            yield {**environment, "SOAR_BROKER_URL": RABBITMQ}
        finally:
            _purge()


def free_port() -> int:
    """One that nobody listens on, and neither on the next."""
    start = os.getpid() % len(PORTS)
    candidates: list[int] = [*PORTS[start:], *PORTS[:start]]
    for port in candidates:
        if _is_free(port) and _is_free(port + 1):
            return port
    raise RuntimeError("Every port is in use.")


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextmanager
def _home_and_database() -> Iterator[Environment]:
    name = f"countersign_acceptance_{uuid4().hex[:12]}"
    with (
        tempfile.TemporaryDirectory(prefix="countersign-") as home,
        psycopg.connect(POSTGRESQL, autocommit=True) as server,
    ):
        server.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        try:
            url = urlsplit(POSTGRESQL)._replace(path=f"/{name}").geturl()
            yield {**_environment(home), "SOAR_DATABASE_URL": url}
        finally:
            server.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@contextmanager
def _redis() -> Iterator[str]:
    """Claimed with a key, so that tests in parallel never share one."""
    for number in range(15, 0, -1):
        url = urlsplit(REDIS)._replace(path=f"/{number}").geturl()
        with redis.Redis.from_url(url) as database:
            if database.dbsize() == 0 and database.set(CLAIM, os.getpid(), nx=True):
                try:
                    yield url
                finally:
                    database.flushdb()
                return
    raise RuntimeError(f"Every database of {REDIS} holds something. Empty one of them.")


def _purge() -> None:
    with Connection(RABBITMQ) as connection, connection.SimpleQueue(QUEUE) as queue:
        queue.clear()


def _environment(home: str) -> Environment:
    """The caller's environment without settings of the product's, but for these."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("SOAR_")}
    return {**others, "DJANGO_SETTINGS_MODULE": "soar.settings", "SOAR_HOME": home}
