"""A secret planted in a connection is found nowhere: not in the database, logs, audit, pages, or messages."""

from __future__ import annotations

import io
import json
import queue
import secrets
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg
import pytest
from kombu import Connection
from playwright.sync_api import Browser
from psycopg import sql

from tests.acceptance.browsing import signed_in
from tests.acceptance.installation import Installation
from tests.acceptance.places import QUEUE
from tests.acceptance.stage import OVER_RABBITMQ, OVER_REDIS, Stage
from tests.acceptance.waiting import until
from tests.acceptance.walking import walk

PLAYBOOK = """\
playbook: canary
title: Use the secret
inputs:
  path: {type: string}
steps:
  - id: act
    do: http.put
    using: mirror
    with: {path: "/${ inputs.path }"}
"""
WORKERS = ("one", "two")


class Mirror(BaseHTTPRequestHandler):
    """A far side that says back whatever it was told, in refusals too."""

    server: MirrorServer

    def do_PUT(self) -> None:
        self.server.heard.append(self.headers["Authorization"])
        body = json.dumps({"you_said": dict(self.headers), "again": self.headers["Authorization"]}).encode()
        self.send_response(400 if self.path == "/refuse" else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


class MirrorServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Mirror)
        self.heard: list[str] = []


@contextmanager
def mirror() -> Iterator[MirrorServer]:
    with MirrorServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("stage", [OVER_REDIS, OVER_RABBITMQ], indirect=True)
def test_a_secret_is_found_nowhere(stage: Stage, browser: Browser) -> None:
    installation, canary = stage.installation, f"canary-{secrets.token_hex(16)}"
    with mirror() as server:
        plant(installation, canary, server.server_address[1])
        messages = start_unheard(installation)
        approve_both(installation)
        until(
            lambda: all(each["status"] in {"succeeded", "failed"} for each in runs(installation)),
            "both runs end",
        )
        assert server.heard == [f"Bearer {canary}"] * 2
    assert {each["status"] for each in runs(installation)} == {"succeeded", "failed"}
    places = {
        "messages": messages,
        "database": dump(installation),
        "files": files(installation),
        "api": asked(installation),
        "pages": pages(installation, browser),
    }
    seen_in = dict.fromkeys(places, runs(installation)[0]["id"]) | {"files": "playbooks.drive"}
    assert [name for name, text in places.items() if seen_in[name] not in text] == [], (
        "it was not really looked at"
    )
    assert [name for name, text in places.items() if canary in text or canary.encode().hex() in text] == []


def plant(installation: Installation, canary: str, port: int) -> None:
    settings = {"base_url": f"http://127.0.0.1:{port}", "egress": ["127.0.0.1/32"]}
    body = {"name": "mirror", "connector": "http", "settings": settings, "secrets": {"token": canary}}
    assert canary not in json.dumps(installation.session("admin").post("connections/", body))
    author, publisher = installation.session("author"), installation.session("publisher")
    number = author.post_text("playbooks/", PLAYBOOK)["number"]
    author.post(f"playbooks/canary/versions/{number}/submit/")
    publisher.post(f"playbooks/canary/versions/{number}/publish/")


def start_unheard(installation: Installation) -> str:
    """Starts two runs while nobody listens: what was waiting for the workers in the broker."""
    for name in WORKERS:
        if f"worker-{name}" in installation.processes:
            installation.stop(f"worker-{name}")
    analyst = installation.session("analyst")
    for path in ("accept", "refuse"):
        analyst.post("runs/", {"playbook": "canary", "inputs": {"path": path}})
    found = waiting_messages(installation.environment["SOAR_BROKER_URL"])
    for name in WORKERS:
        installation.start_worker(name)
    return found


def approve_both(installation: Installation) -> None:
    """The default policy asks a second person for every change in production."""
    tier2 = installation.session("tier2")

    def are_asked() -> list[Any]:
        asked = [tier2.get("approvals/", run=run["id"])["results"] for run in runs(installation)]
        return [each["id"] for each, *_ in asked] if all(asked) else []

    for request in until(are_asked, "the requests of both runs"):
        digest = tier2.get(f"approvals/{request}/")["digest"]
        tier2.post(f"approvals/{request}/decide/", {"verdict": "approve", "digest": digest})


def waiting_messages(broker: str) -> str:
    """Every message, with all that goes with it; they stay where they are."""
    taken = []
    with Connection(broker) as connection, connection.SimpleQueue(QUEUE) as waiting:
        while True:
            try:
                taken.append(waiting.get(block=False))
            except queue.Empty:
                break
        for message in taken:
            message.requeue()
    return "\n".join(f"{message.body!r} {message.headers} {message.properties}" for message in taken)


def runs(installation: Installation) -> list[Any]:
    found: list[Any] = installation.session("analyst").get("runs/", playbook="canary")["results"]
    return found


def dump(installation: Installation) -> str:
    """Every row of every table as text."""
    with psycopg.connect(installation.environment["SOAR_DATABASE_URL"]) as server:
        tables = server.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        rows = [server.execute(rows_of(table)).fetchall() for (table,) in tables]
    return "\n".join(row for found in rows for (row,) in found)


def rows_of(table: str) -> sql.Composed:
    return sql.SQL("SELECT each::text FROM {} AS each").format(sql.Identifier(table))


def files(installation: Installation) -> str:
    """Everything below SOAR_HOME: what all processes have said, and their keys and schedules."""
    found = [path for path in installation.home.rglob("*") if path.is_file()]
    return "\n".join(path.read_bytes().decode(errors="replace") for path in found)


def asked(installation: Installation) -> str:
    """What the API tells those who may see most, with an export."""
    admin, compliance = installation.session("admin"), installation.session("compliance")
    run = runs(installation)[0]
    answers = [admin.get("connections/"), compliance.get("audit/entries/"), admin.get(f"runs/{run['id']}/")]
    export = compliance.http.get("/api/v1/audit/export/", params={"run": run["id"]})
    with zipfile.ZipFile(io.BytesIO(export.content)) as bundle:
        exported = [bundle.read(name).decode() for name in bundle.namelist()]
    return "\n".join([json.dumps(answers), *exported])


def pages(installation: Installation, browser: Browser) -> str:
    found = []
    for username in ("analyst", "compliance"):
        with signed_in(browser, installation, username) as visitor:
            found += [page.content() for _, page in walk(visitor)]
            found += [visitor.open(f"/runs/{run['id']}/").content() for run in runs(installation)]
    return "\n".join(found)
