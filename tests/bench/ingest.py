"""Ingest: alerts through the real HTTP path, against a bare Django view behind the same server."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from itertools import count
from statistics import median

from django.db import connection

from playbooks.operations import people
from playbooks.operations.caller import SYSTEM
from tests.bench.crew import Crew, crew
from tests.bench.figures import Figure
from tests.bench.scene import Sizes, wait_for

CLIENTS = 8
BATCH = 100
Measured = Mapping[str, tuple[float, float]]  # "one" and "hundred" -> alerts a second, CPU-ms an alert

# Of the bare view (bare.py).
TABLE = "CREATE TABLE bench_alert (id {key}, title text, severity int, address text, raw text)"
KEY = {"postgresql": "bigserial PRIMARY KEY", "sqlite": "integer PRIMARY KEY"}

_flows = count(1)


def measure_ingest(database: str, sizes: Sizes) -> Iterator[Figure]:
    source = people.create_source("suricata", kind="suricata", actor=SYSTEM)
    token = people.issue_source_token(source, actor=SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute(TABLE.format(key=KEY[connection.vendor]))
    connection.close()
    real = _measure("soar.wsgi:application", "/api/v1/ingest/suricata/", token, sizes)
    bare = _measure("tests.bench.bare:application", "/", token, sizes)
    for name in ("one", "hundred"):
        yield Figure("ingest", database, f"{name}_per_second", real[name][0], bare[name][0])
        yield Figure("ingest", database, f"{name}_cpu_ms_per_alert", real[name][1], bare[name][1])


def _measure(application: str, path: str, token: str, sizes: Sizes) -> Measured:
    port = _free_port()
    with crew(_server(application, port)) as server:
        wait_for(lambda: _answers(port), f"{application} answers", within=60)
        client = _Client(port, path, token)
        client.post([_event() for _ in range(CLIENTS * 2)])  # warms the server up
        few = max(sizes.posts // 25, 4)
        return {
            "one": _rounds(client, server, sizes.repeats, sizes.posts, 1),
            "hundred": _rounds(client, server, sizes.repeats, few, BATCH),
        }


def _rounds(client: _Client, server: Crew, repeats: int, posts: int, batch: int) -> tuple[float, float]:
    rates, costs = [], []
    for _ in range(repeats):
        bodies = [_batch(batch) if batch > 1 else _event() for _ in range(posts)]
        cpu, begun = server.cpu_seconds(), time.perf_counter()
        client.post(bodies)
        rates.append(posts * batch / (time.perf_counter() - begun))
        costs.append((server.cpu_seconds() - cpu) * 1000 / (posts * batch))
    return median(rates), median(costs)


class _Client:
    """So many connections, each kept open."""

    def __init__(self, port: int, path: str, token: str) -> None:
        self.path = path
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self.connections = [HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(CLIENTS)]

    def post(self, bodies: Sequence[bytes]) -> None:
        shares = [bodies[number::CLIENTS] for number in range(CLIENTS)]
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(self._post_all, self.connections, shares))

    def _post_all(self, connection: HTTPConnection, bodies: Sequence[bytes]) -> None:
        """Raises RuntimeError for anything but 202 with every alert accepted."""
        for body in bodies:
            connection.request("POST", self.path, body, self.headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 202 or b'"errors"' in text:
                raise RuntimeError(f"{self.path} answered {answer.status}: {text[:300]!r}")


def _server(application: str, port: int) -> list[str]:
    return [
        *[sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)],
        *[
            "--workers",
            "2",
            "--blocking-threads",
            "4",
            "--backpressure",
            "64",
            "--no-ws",
            "--log-level",
            "error",
        ],
        application,
    ]


def _batch(size: int) -> bytes:
    return b"[" + b",".join(_event() for _ in range(size)) + b"]"


def _event() -> bytes:
    """A Suricata alert of about 330 bytes that was not there before."""
    event = {
        "timestamp": "2026-11-23T09:00:00.000000+0000",
        "flow_id": next(_flows),
        "event_type": "alert",
        "src_ip": "203.0.113.9",
        "src_port": 51514,
        "dest_ip": "192.0.2.10",
        "dest_port": 443,
        "proto": "TCP",
        "alert": {
            "signature_id": 9000101,
            "signature": "EXPLOIT Deserialisation payload in HTTP header",
            "category": "Attempted Administrator Privilege Gain",
            "severity": 1,
        },
    }
    return json.dumps(event).encode()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
