"""The demo's gateway: a real target that needs no root.

It stands between attackers and a victim: `GET /?from=ADDRESS` answers as the victim would, or refuses when the address
is blocked. `PUT` and `DELETE /blocked/ADDRESS` change the list, with a token; `GET /blocked` shows it. A PUT whose
body has `take` answers only after so many seconds, so that a worker can be killed in the middle.
"""

from __future__ import annotations

import hmac
import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

BLOCKED = "/blocked/"
LONGEST_TAKE = 30.0


class Gateway(ThreadingHTTPServer):
    """Keeps its block list in a file: {address: how often it was put}."""

    daemon_threads = True

    def __init__(self, port: int, token: str, path: Path) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.token, self.path, self.lock = token, path, threading.Lock()
        self.closing = threading.Event()

    def blocked(self) -> dict[str, int]:
        listed: dict[str, int] = json.loads(self.path.read_text()) if self.path.exists() else {}
        return listed

    def put(self, address: str) -> bool:
        """Blocks the address; whether it was not blocked before."""
        with self.lock:
            listed = self.blocked()
            listed[address] = listed.get(address, 0) + 1
            self._write(listed)
        return listed[address] == 1

    def delete(self, address: str) -> bool:
        """Frees the address; whether it was blocked before."""
        with self.lock:
            listed = self.blocked()
            was_blocked = listed.pop(address, None) is not None
            self._write(listed)
        return was_blocked

    def _write(self, listed: dict[str, int]) -> None:
        scratch = self.path.with_suffix(".new")
        scratch.write_text(json.dumps(listed))
        scratch.replace(self.path)


class _Handler(BaseHTTPRequestHandler):
    server: Gateway

    def do_GET(self) -> None:  # noqa: N802 - the standard library's name
        parts = urlsplit(self.path)
        if parts.path == "/blocked":
            self._answer(HTTPStatus.OK, self.server.blocked())
        elif parts.path == "/":
            self._pass_through(parse_qs(parts.query).get("from", [""])[0])
        else:
            self._answer(HTTPStatus.NOT_FOUND, {"error": "There is / and /blocked."})

    def do_PUT(self) -> None:  # noqa: N802
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self._is_allowed():
            return
        changed = self.server.put(self._address())
        take = float((json.loads(body or b"{}") or {}).get("take", 0))
        self.server.closing.wait(min(take, LONGEST_TAKE))
        self._answer(HTTPStatus.CREATED if changed else HTTPStatus.OK, {"blocked": self._address()})

    def do_DELETE(self) -> None:  # noqa: N802
        if self._is_allowed():
            changed = self.server.delete(self._address())
            self._answer(HTTPStatus.OK if changed else HTTPStatus.NOT_FOUND, {"freed": self._address()})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """The demo's terminal shows sign-ins, not requests."""

    def _pass_through(self, address: str) -> None:
        if address in self.server.blocked():
            self._answer(HTTPStatus.FORBIDDEN, {"gateway": f"refused: {address} is blocked"})
        else:
            self._answer(HTTPStatus.OK, {"victim": f"hello, {address or 'stranger'}"})

    def _address(self) -> str:
        return urlsplit(self.path).path.removeprefix(BLOCKED)

    def _is_allowed(self) -> bool:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if hmac.compare_digest(given.encode(), self.server.token.encode()) and self.path.startswith(BLOCKED):
            return True
        self._answer(HTTPStatus.UNAUTHORIZED, {"error": "This needs the gateway's token."})
        return False

    def _answer(self, status: HTTPStatus, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
