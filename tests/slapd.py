"""A small LDAP directory that tests run themselves: OpenLDAP's slapd on a free port, with a tree of our own.

It is as permissive as one may come to be: it takes a bind without a password for one as nobody, and says yes.
"""

from __future__ import annotations

import ipaddress
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.acceptance.waiting import until

BASE = "cn=example"
SERVICE, SERVICE_PASSWORD = f"cn=service,{BASE}", "of-the-service"
PASSWORDS = {
    "ada": "Ada-of-the-directory",
    "tier2": "Tier2-of-the-directory",
    "grace": "Grace-of-the-directory",
}
TWINS = "of-both-twins"

# Only what slapd has without reading any file: no schema and no module that a system keeps wherever it likes.
CONFIGURATION = """\
objectclass ( 1.1.2.1 NAME 'soarPerson' SUP top STRUCTURAL MUST cn MAY ( uid $ userPassword ) )
allow bind_anon_cred bind_anon_dn
TLSCACertificateFile {folder}/certificate.pem
TLSCertificateFile {folder}/certificate.pem
TLSCertificateKeyFile {folder}/key.pem
pidfile {folder}/pid
database ldif
suffix "{base}"
directory {folder}/tree
access to attrs=userPassword by anonymous auth
access to * by dn.exact="{service}" read
"""


@dataclass(frozen=True)
class Slapd:
    """`certificate` is the path of the one that its TLS shows, and of who vouches for it: itself."""

    port: int
    tls_port: int
    certificate: Path

    @property
    def uri(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def tls_uri(self) -> str:
        return f"ldaps://127.0.0.1:{self.tls_port}"


@contextmanager
def running(folder: Path) -> Iterator[Slapd]:
    """The directory, until the block ends."""
    made = Slapd(*_free_ports(), certify(folder))
    _fill(folder)
    command = ["slapd", "-d", "0", "-f", folder / "slapd.conf", "-h", f"{made.uri} {made.tls_uri}"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        until(lambda: _answers(process, made.port), "slapd answers")
        yield made
    finally:
        process.terminate()
        process.communicate(timeout=20)


def certify(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that it signed itself, with its key beside it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "directory")])
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=datetime(2020, 1, 1, tzinfo=UTC),
        not_valid_after=datetime(2120, 1, 1, tzinfo=UTC),
    )
    made = made.add_extension(here, critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    written = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(written)
    path = folder / "certificate.pem"
    path.write_bytes(made.sign(key, SHA256()).public_bytes(Encoding.PEM))
    return path


def _fill(folder: Path) -> None:
    (folder / "tree").mkdir()
    configuration = folder / "slapd.conf"
    configuration.write_text(
        CONFIGURATION.format(folder=folder, base=BASE, service=SERVICE), encoding="utf-8"
    )
    tree = folder / "tree.ldif"
    tree.write_text("\n".join(_entries()), encoding="utf-8")
    command = ["slapadd", "-f", configuration, "-l", tree]
    subprocess.run(command, check=True, capture_output=True)


def _entries() -> Iterator[str]:
    yield f"dn: {BASE}\nobjectClass: soarPerson\ncn: example\n"
    yield f"dn: {SERVICE}\nobjectClass: soarPerson\ncn: service\nuserPassword: {SERVICE_PASSWORD}\n"
    people = {f"cn={name}": (name, password) for name, password in PASSWORDS.items()}
    twins = {f"cn=twin-{number}": ("twin", TWINS) for number in (1, 2)}
    for cn, (uid, password) in {**people, **twins}.items():
        about = f"cn: {cn.removeprefix('cn=')}\nuid: {uid}\nuserPassword: {password}\n"
        yield f"dn: {cn},{BASE}\nobjectClass: soarPerson\n{about}"


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"slapd did not start: {process.communicate()[1].decode()}")
    with socket.socket() as line:
        line.settimeout(1)
        return line.connect_ex(("127.0.0.1", port)) == 0
