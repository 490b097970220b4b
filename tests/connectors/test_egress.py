"""No connection leads where it must not, however its address is written."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from playbooks.connectors.addresses import may_reach, networks
from playbooks.connectors.egress import BODY_LIMIT, Answer, Egress
from playbooks.connectors.errors import AnswerLostError, RefusedError, UnreachableError
from tests.connectors.conftest import FarSide

LOCAL = Egress(("127.0.0.1/32",))


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.254",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::169.254.169.254",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:168.63.129.16",
        "::ffff:169.254.169.254",
        "64:ff9b::10.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::1",
        "64:ff9b:1::8.8.8.8",
        "2001::1",
        "2001:0:a9fe:a9fe::",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2002:a9fe:a9fe::",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ],
)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not may_reach(ip_address(address), ())


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "100.63.255.255",
        "168.63.129.17",
        "2606:4700::1111",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
    ],
)
def test_a_public_address_is_reached(address: str) -> None:
    assert may_reach(ip_address(address), ())


@given(st.ip_addresses(v=4))
def test_an_embedded_address_is_judged_as_what_it_is(address: object) -> None:
    plain = ip_address(str(address))
    for carrier in (
        f"::ffff:{plain}",
        f"64:ff9b::{plain}",
        f"2002:{int(plain) >> 16:x}:{int(plain) & 0xFFFF:x}::",
    ):
        assert may_reach(ip_address(carrier), ()) == may_reach(plain, ())


@given(st.ip_addresses())
def test_what_the_egress_list_names_is_reached_and_nothing_beside_it(address: object) -> None:
    private = ip_network("10.20.0.0/16")
    text = ip_address(str(address))
    assert may_reach(ip_address("10.20.3.4"), (private,))
    assert may_reach(ip_address("::ffff:10.20.3.4"), (private,))
    assert not may_reach(ip_address("10.21.0.1"), (private,))
    assert may_reach(text, networks(["0.0.0.0/0", "::/0"]))


def test_an_egress_list_that_is_none_is_refused() -> None:
    with pytest.raises(RefusedError, match="Correct the connection"):
        networks(["10.0.0.1/8"])


@pytest.mark.enable_socket
@pytest.mark.parametrize(
    "host",
    [
        "0x7f000001",
        "127.1",
        "2130706433",
        "0177.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:169.254.169.254]",
        "[::ffff:7f00:1]",
        "[64:ff9b::a9fe:a9fe]",
        "169.254.169.254",
        "0",
        "127.0.0.1.",
        "１２７.0.0.1",
    ],
)
def test_no_way_of_writing_it_leads_inside(host: str) -> None:
    with pytest.raises((RefusedError, UnreachableError)) as caught:
        Egress().request("GET", f"http://{host}:1/", deadline=soon())
    assert isinstance(caught.value, RefusedError) or "resolved" in str(caught.value)


@pytest.mark.enable_socket
def test_one_bad_address_among_good_ones_refuses_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolver(*_: object, **__: object) -> list[object]:
        return [(2, 1, 6, "", (address, 80)) for address in ("1.1.1.1", "169.254.169.254")]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    with pytest.raises(RefusedError, match=r"169\.254\.169\.254"):
        Egress().request("GET", "http://rebinding.example/", deadline=soon())


@pytest.mark.enable_socket
def test_the_connection_goes_to_the_checked_address_with_the_original_host(
    far_side: FarSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second answer of a name server that rebinds is never asked for."""
    port = int(far_side.url.rpartition(":")[2])
    genuine, answers = socket.getaddrinfo, iter(["127.0.0.1"])

    def resolver(host: str, *arguments: object, **options: object) -> object:
        name = next(answers) if host == "api.example" else host
        return genuine(name, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    answer = LOCAL.request("GET", f"http://api.example:{port}/", deadline=soon())
    assert answer.status == 200
    assert far_side.requests[0].headers["Host"] == f"api.example:{port}"


@pytest.mark.parametrize("url", ["ftp://a.example/", "file:///etc/passwd", "http:///x", "http://[::1", "//a"])
def test_only_http_addresses_are_requested(url: str) -> None:
    with pytest.raises(RefusedError):
        Egress().request("GET", url, deadline=soon())


@pytest.mark.enable_socket
def test_a_redirect_is_not_followed(far_side: FarSide) -> None:
    far_side.status, far_side.headers = 302, {"location": "http://169.254.169.254/"}
    assert LOCAL.request("GET", far_side.url, deadline=soon()).status == 302
    assert len(far_side.requests) == 1


@pytest.mark.enable_socket
def test_an_answer_is_read_up_to_the_limit(far_side: FarSide) -> None:
    far_side.body = b"x" * (BODY_LIMIT + 1)
    answer = LOCAL.request("GET", far_side.url, deadline=soon())
    assert answer.truncated
    assert len(answer.body) == BODY_LIMIT


@pytest.mark.enable_socket
def test_a_far_side_that_never_answers_is_left_at_the_deadline(far_side: FarSide) -> None:
    far_side.hang = True
    started = time.monotonic()
    with pytest.raises(AnswerLostError, match="no whole answer came"):
        LOCAL.request("POST", far_side.url, deadline=soon(0.3))
    assert time.monotonic() - started < 2


@pytest.mark.enable_socket
def test_a_far_side_that_drips_is_left_at_the_deadline() -> None:
    """Each byte comes in time, the answer never does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=_drip, args=(server,), daemon=True).start()
        started = time.monotonic()
        with pytest.raises(AnswerLostError):
            LOCAL.request("GET", f"http://127.0.0.1:{server.getsockname()[1]}/", deadline=soon(0.3))
        assert time.monotonic() - started < 2


def _drip(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.settimeout(0.02)
        end = time.monotonic() + 5
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        try:
            while time.monotonic() < end:
                connection.sendall(b"y")
                try:
                    connection.recv(1024)
                except TimeoutError:
                    continue
        except OSError:
            return


@pytest.mark.enable_socket
def test_a_certificate_that_nobody_vouches_for_is_not_trusted_and_nothing_is_sent(tmp_path: Path) -> None:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(_self_signed(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=_shake_hands, args=(server, server_side), daemon=True).start()
        with pytest.raises(UnreachableError, match="its certificate is not trusted: self-signed"):
            LOCAL.request("POST", f"https://127.0.0.1:{server.getsockname()[1]}/", deadline=soon())


def _self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = folder / "server.pem"
    path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return path


def _shake_hands(server: socket.socket, server_side: ssl.SSLContext) -> None:
    connection, _ = server.accept()
    with connection, suppress(OSError):
        server_side.wrap_socket(connection, server_side=True).close()


NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "text", "wait"),
    [
        (429, "30", timedelta(seconds=30)),
        (503, "Mon, 23 Nov 2026 12:01:00 GMT", timedelta(minutes=1)),
        (503, "Mon, 23 Nov 2026 11:00:00 GMT", timedelta()),
        (429, "99999999999", timedelta(days=1)),
        (429, "soon", None),
        (429, "", None),
        (200, "30", None),
    ],
)
def test_retry_after_is_read_in_both_forms(status: int, text: str, wait: timedelta | None) -> None:
    assert Answer(status, {"retry-after": text}, b"", truncated=False).retry_after(NOW) == wait


@pytest.mark.parametrize(
    ("body", "value"),
    [(b'{"a": 1}', {"a": 1}), (b"<h1>Bad", "<h1>Bad"), (b"", ""), (b"NaN", "NaN"), (b"\xff", "\ufffd")],
)
def test_a_body_is_json_where_it_is_and_else_text(body: bytes, value: object) -> None:
    assert Answer(500, {}, body, truncated=False).value() == value
