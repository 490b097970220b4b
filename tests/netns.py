"""A small network of kernel namespaces: an attacker, a router in the middle, and a victim that answers.

    attacker 192.0.2.2, 2001:db8:a::2  —  router  —  victim 198.51.100.2, 2001:db8:b::2

What is blocked at the router is judged where it matters: whether packets of the attacker reach the victim.
Needs root, iproute2 and a kernel with namespaces; names are unique, so any number of networks exist at once.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO
from uuid import uuid4

PORT = 8080
PATIENCE = 1.0  # seconds for a packet that may never come

ECHO_SERVER = f"""
import socketserver
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(1024):
            self.request.sendall(data)
class Server(socketserver.ThreadingTCPServer):
    address_family = 10
    daemon_threads = True
with Server(("::", {PORT}), Echo) as server:
    print("ready", flush=True)
    server.serve_forever()
"""

# Sends a byte for each line that it reads, and says whether it came back.
ECHO_CLIENT = f"""
import socket, sys
try:
    connection = socket.create_connection((sys.argv[1], {PORT}), timeout={PATIENCE})
except OSError:
    print("no", flush=True)
    sys.exit()
print("yes", flush=True)
for line in sys.stdin:
    try:
        connection.sendall(b"x")
        print("yes" if connection.recv(1) else "no", flush=True)
    except OSError:
        print("no", flush=True)
"""


@dataclass(frozen=True, slots=True)
class Connection:
    """A TCP connection of the attacker to the victim that stays open between the questions."""

    process: subprocess.Popen[str]

    def is_alive(self) -> bool:
        """Whether a byte still makes it there and back."""
        print("ask", file=_pipe(self.process.stdin), flush=True)
        return _said_yes(self.process)


@dataclass(frozen=True, slots=True)
class Network:
    """The names of the namespaces and the addresses of both ends."""

    attacker: str
    router: str
    victim: str
    stack: ExitStack
    attacker_address: str = "192.0.2.2"
    attacker_address_ipv6: str = "2001:db8:a::2"
    victim_address: str = "198.51.100.2"
    victim_address_ipv6: str = "2001:db8:b::2"

    @property
    def command(self) -> list[str]:
        """What comes before a command that is to run at the router."""
        return ["ip", "netns", "exec", self.router]

    def nft(self, *words: str) -> str:
        """Runs nft at the router."""
        return _run([*self.command, "nft", *words])

    def reaches(self, *, ipv6: bool = False) -> bool:
        """Whether the attacker can open a connection to the victim, and a byte comes back."""
        with ExitStack() as stack:
            process = self._client(stack, ipv6=ipv6)
            return _said_yes(process) and Connection(process).is_alive()

    def open_connection(self, *, ipv6: bool = False) -> Connection:
        """A connection that lives as long as the network. Raises ConnectionError when it cannot be opened."""
        process = self._client(self.stack, ipv6=ipv6)
        if not _said_yes(process):
            raise ConnectionError("the attacker does not reach the victim")
        return Connection(process)

    def _client(self, stack: ExitStack, *, ipv6: bool) -> subprocess.Popen[str]:
        target = self.victim_address_ipv6 if ipv6 else self.victim_address
        return _start(stack, self.attacker, ECHO_CLIENT, target)


@contextmanager
def network() -> Iterator[Network]:
    """A network with an answering victim; everything is gone afterwards."""
    unique = uuid4().hex[:8]
    with ExitStack() as stack:
        attacker, router, victim = (f"cs-{unique}-{part}" for part in ("attacker", "router", "victim"))
        for name in (attacker, router, victim):
            _run(["ip", "netns", "add", name])
            stack.callback(_run, ["ip", "netns", "del", name])
            _ip(name, "link set lo up")
            _sysctl(name, "net.ipv6.conf.default.accept_dad=0")  # a link-local address is ready at once
        built = Network(attacker, router, victim, stack)
        _wire(built.router, "left", built.attacker, built.attacker_address, built.attacker_address_ipv6)
        _wire(built.router, "right", built.victim, built.victim_address, built.victim_address_ipv6)
        for option in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"):
            _sysctl(built.router, option)
        server = _start(stack, built.victim, ECHO_SERVER)
        if _pipe(server.stdout).readline().strip() != "ready":
            raise RuntimeError("the victim's server did not start")
        yield built


def _wire(router: str, port: str, host: str, address: str, address_ipv6: str) -> None:
    """A cable between the router's port and the host, whose default route is the router (.1, ::1)."""
    _run(["ip", "link", "add", "eth0", "netns", host, "type", "veth", "peer", "name", port, "netns", router])
    gateway, gateway_ipv6 = f"{address[:-1]}1", f"{address_ipv6[:-1]}1"
    for name, device, own, own_ipv6 in (
        (router, port, gateway, gateway_ipv6),
        (host, "eth0", address, address_ipv6),
    ):
        _ip(name, f"address add {own}/24 dev {device}")
        _ip(name, f"address add {own_ipv6}/64 dev {device} nodad")
        _ip(name, f"link set {device} up")
    _ip(host, f"route add default via {gateway}")
    _ip(host, f"-6 route add default via {gateway_ipv6}")


def _ip(namespace: str, words: str) -> None:
    _run(["ip", "-n", namespace, *words.split()])


def _sysctl(namespace: str, setting: str) -> None:
    _run(["ip", "netns", "exec", namespace, "sysctl", "-qw", setting])


def _run(command: Sequence[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _start(stack: ExitStack, namespace: str, program: str, *arguments: str) -> subprocess.Popen[str]:
    process = stack.enter_context(
        subprocess.Popen(
            ["ip", "netns", "exec", namespace, sys.executable, "-c", program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    )
    stack.callback(process.kill)
    return process


def _said_yes(process: subprocess.Popen[str]) -> bool:
    return _pipe(process.stdout).readline().strip() == "yes"


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
