"""The one HTTP client: the way out of the product.

A name is resolved, every address is checked (addresses.py), and the connection goes to a checked address with
the original Host and SNI, so that a second answer of the name server changes nothing. No proxy, no redirect;
TLS is verified (`SSL_CERT_FILE` names a private authority); the deadline bounds the whole exchange.
"""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from ipaddress import ip_address
from typing import Any

import httpcore
import httpx

from playbooks.connectors.addresses import Address, may_reach, networks
from playbooks.connectors.errors import AnswerLostError, RefusedError, UnreachableError

BODY_LIMIT = 512 * 1024  # bytes, after decompression
CONNECT_TIMEOUT = 10.0  # seconds for one address, so that a dead one leaves time for the next


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is what arrived, cut at BODY_LIMIT bytes; `truncated` says that there was more."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool

    def value(self) -> object:
        """The body as JSON where it is JSON, else as text: error bodies often are not what they should be."""
        try:
            parsed: object = json.loads(self.body, parse_constant=_not_json)
        except (ValueError, RecursionError):
            return self.body.decode(errors="replace")
        return parsed

    def retry_after(self, now: datetime) -> timedelta | None:
        """How long a 429 or 503 asks to wait (RFC 9110, section 10.2.3); None where it does not say."""
        if self.status not in {429, 503}:
            return None
        return _waiting_time(self.headers.get("retry-after", "").strip(), now)


def _not_json(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


def _waiting_time(text: str, now: datetime) -> timedelta | None:
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:9]), 86_400))
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(timedelta(), moment - now)


@dataclass(frozen=True, slots=True)
class Egress:
    """`allowed` are the networks, in CIDR form, that this connection may reach though they are not public."""

    allowed: tuple[str, ...] = ()

    def request(
        self,
        method: str,
        url: str,
        *,
        deadline: float,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: object = None,
    ) -> Answer:
        """One exchange; `body` is sent as JSON unless it is None. `deadline` is a `time.monotonic()` reading.

        Raises RefusedError for an address that may not be reached, UnreachableError where nothing was sent,
        AnswerLostError when the answer did not come whole. A redirect is an answer like any other.
        """
        request = _request(method, url, headers, query, body)
        with (
            _sentences(request.url.host),
            httpx.Client(
                transport=_Transport(_Backend(self, deadline)), trust_env=False, timeout=CONNECT_TIMEOUT
            ) as client,
        ):
            response = client.send(request, stream=True)
            content, truncated = _bounded(response.iter_bytes())
            return Answer(response.status_code, dict(response.headers), content, truncated)

    def connect(self, host: str, port: int, *, deadline: float) -> socket.socket:
        """A TCP connection to a checked address of `host`. Raises RefusedError or UnreachableError."""
        last: OSError | None = None
        for address in self.resolve(host, port):
            try:
                return socket.create_connection((str(address), port), timeout=_left(deadline))
            except OSError as error:
                last = error
        raise UnreachableError(f"{host} port {port} did not accept a connection ({_reason(last)}).")

    def resolve(self, host: str, port: int) -> tuple[Address, ...]:
        """The addresses of `host`, in the resolver's order. Refuses all when one of them may not be reached.

        The resolver's own time-outs apply: a slow one delays, but nothing is sent after the deadline.
        """
        allowed = networks(self.allowed)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise UnreachableError(
                f"{host} could not be resolved. Check the name and the name servers."
            ) from error
        addresses = tuple(dict.fromkeys(ip_address(each[4][0]) for each in found))
        for address in addresses:
            if not may_reach(address, allowed):
                raise RefusedError(
                    f"{host} leads to {address}, which is not a public address. If this connection is "
                    "meant to reach it, an administrator adds its network to the connection's egress list."
                )
        return addresses


def _request(
    method: str, url: str, headers: Mapping[str, str] | None, query: Mapping[str, str] | None, body: object
) -> httpx.Request:
    try:
        parsed = httpx.URL(url)
        named = {"user-agent": "countersign", **(headers or {})}
        request = httpx.Request(method, parsed, headers=named, params=query or None, json=body)
    except (httpx.InvalidURL, ValueError) as error:
        raise RefusedError(
            "The address or a header of the request is malformed. Correct the connection."
        ) from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise RefusedError("Only http:// and https:// addresses with a host can be requested.")
    return request


def _bounded(chunks: Iterator[bytes]) -> tuple[bytes, bool]:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > BODY_LIMIT:
            return bytes(body[:BODY_LIMIT]), True
    return bytes(body), False


@contextmanager
def _sentences(host: str) -> Iterator[None]:
    """Turns the errors of the HTTP stack, which may quote the request, into ours."""
    try:
        yield
    except (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout) as error:
        raise UnreachableError(f"{host} did not accept a connection ({_reason(error)}).") from error
    except (
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpx.DecodingError,
    ) as error:
        raise AnswerLostError(
            f"The request was sent to {host}, but no whole answer came ({_reason(error)})."
        ) from error


def _reason(error: BaseException | None) -> str:
    """The kind of the innermost error, such as ConnectionRefusedError: never its text."""
    while error is not None and error.__context__ is not None:  # httpcore clears the cause, not the context
        error = error.__context__
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return type(error).__name__


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    return left


@cache
def tls() -> ssl.SSLContext:
    """Verifying TLS; building one takes 20 ms, so all connections share it."""
    return httpx.create_ssl_context()


class _Transport(httpx.BaseTransport):
    """httpx over an httpcore pool of our own, since httpx offers no place for a network backend."""

    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        self._pool = httpcore.ConnectionPool(ssl_context=tls(), network_backend=backend)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        response = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        if not isinstance(response.stream, Iterable):
            raise TypeError("httpcore answered with an asynchronous stream")
        return httpx.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Body(response.stream),
            extensions=response.extensions,
        )

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks


class _Backend(httpcore.NetworkBackend):
    """Connects to checked addresses only."""

    def __init__(self, egress: Egress, deadline: float) -> None:
        self._egress = egress
        self._deadline = deadline

    def connect_tcp(self, host: str, port: int, *_arguments: Any, **_options: Any) -> httpcore.NetworkStream:
        last: BaseException = httpcore.ConnectError("no address")
        for address in self._egress.resolve(host, port):
            try:
                timeout = min(CONNECT_TIMEOUT, _left(self._deadline))
                stream = httpcore.SyncBackend().connect_tcp(str(address), port, timeout=timeout)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
            except TimeoutError as error:
                raise httpcore.ConnectTimeout from error
            else:
                return _Stream(stream, self._deadline)
        raise last


class _Stream(httpcore.NetworkStream):
    """A stream whose every operation ends by the deadline, so that a dripping far side cannot outlast it."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 — ours is stricter
        return self._stream.read(max_bytes, self._within(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, self._within(httpcore.WriteTimeout))

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        timeout = self._within(httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout), self._deadline)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def _within(self, error: type[httpcore.TimeoutException]) -> float:
        try:
            return _left(self._deadline)
        except TimeoutError as passed:
            raise error from passed
