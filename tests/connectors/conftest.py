"""Contexts, the servers of the far side, and a network to block in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event
from typing import Any

import pytest

from playbooks.connectors.declaration import Context, Secrets
from playbooks.connectors.egress import Egress
from tests import netns

KEY = "0197a3c26f6e7c1c9f102b6d4f1f8a55-1"


def make_context(
    settings: Mapping[str, object] | None = None,
    secrets: Mapping[str, str] | None = None,
    *,
    key: str = KEY,
    seconds: float = 20.0,
    dry_run: bool = False,
    allowed: tuple[str, ...] = ("127.0.0.1/32",),
) -> Context:
    return Context(
        http=Egress(allowed),
        settings=settings or {},
        secrets=Secrets(secrets or {}),
        idempotency_key=key,
        deadline=time.monotonic() + seconds,
        dry_run=dry_run,
    )


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class FarSide:
    """An HTTP server that answers what it is told to, and remembers what it was asked.

    `hang` makes it read the request and never answer, until the test is over.
    """

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    hang: bool = False
    over: Event = field(default_factory=Event)
    requests: list[Request] = field(default_factory=list)


def _handler(far_side: FarSide) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(length)
            far_side.requests.append(Request(self.command, self.path, dict(self.headers), body))
            if far_side.hang:
                far_side.over.wait()
                return
            self.send_response(far_side.status)
            for name, value in far_side.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(far_side.body)))
            self.end_headers()
            self.wfile.write(far_side.body)

        do_GET = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 — the names that the base class looks for

        def log_message(self, *_: Any) -> None:
            """Silent."""

    return Handler


@pytest.fixture
def far_side() -> Iterator[FarSide]:
    side = FarSide()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(side)) as server, ThreadPoolExecutor() as pool:
        side.url = f"http://127.0.0.1:{server.server_address[1]}"
        pool.submit(server.serve_forever, 0.01)
        yield side
        side.over.set()
        server.shutdown()


@pytest.fixture
def network() -> Iterator[netns.Network]:
    with netns.network() as built:
        yield built


Firewall = Callable[..., Context]


@pytest.fixture
def firewall(network: netns.Network) -> Firewall:
    """Makes contexts of a connection to the network's router."""

    def context(key: str = KEY, **settings: object) -> Context:
        return make_context({"command": network.command, **settings}, key=key)

    return context
