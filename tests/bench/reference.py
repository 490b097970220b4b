"""The hand-written loop: each step one durable transaction on one connection, and nothing else.

It settles a step and claims the next one. It knows no approvals, no audit, no retries; it is the floor.
"""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from pathlib import Path
from typing import Protocol

import psycopg


class Loop(Protocol):
    def prepare(self, runs: int, length: int) -> None:
        """Rows for so many runs of so many steps, in place of those before."""

    def step(self, run: int, position: int) -> None:
        """Settles the step at `position` and claims the one after it, in one transaction."""

    def signal(self) -> float:
        """Seconds from just before the commit of a decision until another thread has claimed the step behind it."""


class PostgresqlLoop:
    def __init__(self, url: str) -> None:
        self.url = url
        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.execute(
            "CREATE TABLE IF NOT EXISTS bench_step (run int, position int, status text, outputs jsonb,"
            " PRIMARY KEY (run, position))"
        )

    def prepare(self, runs: int, length: int) -> None:
        self.connection.execute("TRUNCATE bench_step")
        self.connection.execute(
            "INSERT INTO bench_step SELECT r, p, CASE p WHEN 0 THEN 'running' ELSE 'ready' END, '{}'"
            " FROM generate_series(0, %s - 1) r, generate_series(0, %s - 1) p",
            [runs, length],
        )

    def step(self, run: int, position: int) -> None:
        self.connection.execute(
            "WITH settled AS (UPDATE bench_step SET status = 'succeeded', outputs = %s"
            " WHERE run = %s AND position = %s AND status = 'running')"
            " UPDATE bench_step SET status = 'running' WHERE run = %s AND position = %s AND status = 'ready'",
            ['{"at": 1}', run, position, run, position + 1],
        )

    def signal(self) -> float:
        self.prepare(1, 1)
        with psycopg.connect(self.url, autocommit=True) as other:
            other.execute("LISTEN bench")
            claimed: list[float] = []

            def claim() -> None:
                next(other.notifies(timeout=5))
                other.execute("UPDATE bench_step SET status = 'claimed' WHERE status = 'succeeded'")
                claimed.append(time.monotonic())

            thread = threading.Thread(target=claim)
            thread.start()
            with self.connection.transaction():
                self.connection.execute("UPDATE bench_step SET status = 'succeeded'")
                self.connection.execute("NOTIFY bench")
                begun = time.monotonic()
            thread.join()
        return claimed[0] - begun


class SqliteLoop:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = _connect(path)
        self.connection.execute(
            "CREATE TABLE IF NOT EXISTS bench_step (run int, position int, status text, outputs text,"
            " PRIMARY KEY (run, position)) WITHOUT ROWID"
        )

    def prepare(self, runs: int, length: int) -> None:
        rows = [(r, p, "ready" if p else "running", "{}") for r in range(runs) for p in range(length)]
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.execute("DELETE FROM bench_step")
        self.connection.executemany("INSERT INTO bench_step VALUES (?, ?, ?, ?)", rows)
        self.connection.execute("COMMIT")

    def step(self, run: int, position: int) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.execute(
            "UPDATE bench_step SET status = 'succeeded', outputs = ?"
            " WHERE run = ? AND position = ? AND status = 'running'",
            ['{"at": 1}', run, position],
        )
        self.connection.execute(
            "UPDATE bench_step SET status = 'running' WHERE run = ? AND position = ? AND status = 'ready'",
            [run, position + 1],
        )
        self.connection.execute("COMMIT")

    def signal(self) -> float:
        """The bell is a datagram, as it is for the local worker."""
        self.prepare(1, 1)
        claimed: list[float] = []
        bell, door = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

        def claim() -> None:
            other = _connect(self.path)
            door.recv(1)
            other.execute("UPDATE bench_step SET status = 'claimed' WHERE status = 'succeeded'")
            claimed.append(time.monotonic())
            other.close()

        with bell, door:
            thread = threading.Thread(target=claim)
            thread.start()
            self.connection.execute("BEGIN IMMEDIATE")
            self.connection.execute("UPDATE bench_step SET status = 'succeeded'")
            begun = time.monotonic()
            self.connection.execute("COMMIT")
            bell.send(b"!")
            thread.join()
        return claimed[0] - begun


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=20)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def drive(loop: Loop, runs: int, length: int) -> tuple[float, float]:
    """Every step of every run, one after the other. Returns seconds and CPU-seconds of this process."""
    loop.prepare(runs, length)
    begun, cpu = time.perf_counter(), time.process_time()
    for position in range(length):
        for run in range(runs):
            loop.step(run, position)
    return time.perf_counter() - begun, time.process_time() - cpu
