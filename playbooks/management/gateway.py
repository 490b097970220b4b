"""The demo's gateway: a real target that needs no root.

It stands between attackers and a victim: `GET /?from=ADDRESS` answers as the victim would, or refuses when the
address is blocked. `PUT` and `DELETE /blocked/ADDRESS` change the list, with a token; `GET /blocked` shows it and how
often each address was put there. A PUT whose body has `take` answers only after so many seconds, so that a worker can
be killed in the middle; one with an Idempotency-Key that it has seen counts once.

Standard library only, so that it is a small process: python -m playbooks.management.gateway PORT DIRECTORY.
"""

from __future__ import annotations

import hmac
import json
import secrets
import signal
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

BLOCKED = "/blocked/"
LONGEST_TAKE = 30.0


class Gateway(ThreadingHTTPServer):
    """Keeps its block list in a file: {address: the idempotency keys that put it there}."""

    daemon_threads = True

    def __init__(self, port: int, token: str, path: Path) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.token, self.path, self.lock = token, path, threading.Lock()
        self.closing = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up before its answer is what demo-crash does, and no news."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def blocked(self) -> dict[str, list[str]]:
        listed: dict[str, list[str]] = json.loads(self.path.read_text()) if self.path.exists() else {}
        return listed

    def put(self, address: str, key: str) -> bool:
        """Blocks the address; whether this is the request that did it."""
        with self.lock:
            listed = self.blocked()
            keys = listed.setdefault(address, [])
            if key not in keys:
                keys.append(key)
            self._write(listed)
        return keys[0] == key

    def delete(self, address: str) -> bool:
        """Frees the address; whether it was blocked before."""
        with self.lock:
            listed = self.blocked()
            was_blocked = listed.pop(address, None) is not None
            self._write(listed)
        return was_blocked

    def _write(self, listed: dict[str, list[str]]) -> None:
        scratch = self.path.with_suffix(".new")
        scratch.write_text(json.dumps(listed))
        scratch.replace(self.path)


class _Handler(BaseHTTPRequestHandler):
    server: Gateway

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/blocked":
            self._answer(HTTPStatus.OK, {each: len(keys) for each, keys in self.server.blocked().items()})
        elif parts.path == "/":
            self._pass_through(parse_qs(parts.query).get("from", [""])[0])
        else:
            self._answer(HTTPStatus.NOT_FOUND, {"error": "There is / and /blocked."})

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self._is_allowed():
            return
        changed = self.server.put(
            self._address(), self.headers.get("Idempotency-Key") or secrets.token_hex(8)
        )
        take = float((json.loads(body or b"{}") or {}).get("take", 0))
        self.server.closing.wait(min(take, LONGEST_TAKE))
        self._answer(HTTPStatus.CREATED if changed else HTTPStatus.OK, {"blocked": self._address()})

    def do_DELETE(self) -> None:
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


def main(port: str, home: str) -> None:
    """Serves until SIGTERM. The token is in the file `demo-gateway-token` of the directory `home`."""
    token = (Path(home) / "demo-gateway-token").read_text(encoding="ascii")
    gateway = Gateway(int(port), token, Path(home) / "demo-gateway.json")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threading.Thread(target=gateway.serve_forever, daemon=True).start()
    stop.wait()
    gateway.closing.set()
    gateway.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
