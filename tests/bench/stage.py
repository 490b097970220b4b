"""Where a database is measured: a database, a broker and a home of its own, gone afterwards."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
import redis

from tests.servers import POSTGRESQL, REDIS

Environment = Mapping[str, str]


@contextmanager
def sqlite() -> Iterator[Environment]:
    """The embedded default: SQLite, and no broker."""
    with tempfile.TemporaryDirectory(prefix="countersign-bench-") as home:
        yield _environment(home)


@contextmanager
def postgresql() -> Iterator[Environment]:
    """PostgreSQL, and Redis as the broker."""
    with (
        tempfile.TemporaryDirectory(prefix="countersign-bench-") as home,
        _broker() as broker,
        _database() as url,
    ):
        yield _environment(home, SOAR_DATABASE_URL=url, SOAR_BROKER_URL=broker)


@contextmanager
def _database() -> Iterator[str]:
    name = f"countersign_bench_{os.getpid()}"
    with psycopg.connect(POSTGRESQL, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield urlsplit(POSTGRESQL)._replace(path=f"/{name}").geturl()
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def _broker() -> Iterator[str]:
    """An empty database of the Redis server, emptied again."""
    for number in range(15, 0, -1):
        url = urlsplit(REDIS)._replace(path=f"/{number}").geturl()
        with redis.Redis.from_url(url) as connection:
            if connection.dbsize() == 0:
                try:
                    yield url
                finally:
                    connection.flushdb()
                return
    raise RuntimeError(f"Every database of {REDIS} holds something. Empty one of them.")


def _environment(home: str, **more: str) -> Environment:
    """The caller's environment without settings of the product's, but for these."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("SOAR_")}
    settings = {"DJANGO_SETTINGS_MODULE": "soar.settings", "SOAR_HOME": home, "SOAR_LOG_LEVEL": "ERROR"}
    settings["PYTHONWARNINGS"] = "ignore"  # Celery's about the superuser
    return {**others, **settings, **more}
