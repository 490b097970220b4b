"""Targets that no action changes, whoever approves: own ranges, resolvers, domain controllers, emergency accounts.

A target is compared in every form in which it may be written: an address within a range and a range around an address,
a domain above and below, an address or a name inside a URL, an account with its domain before it or behind.
"""

from __future__ import annotations

import ipaddress
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from playbooks.domain.observables import extract

MAX_VALUE = 253
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class TargetKind(StrEnum):
    ADDRESS = "address"  # one, or a range such as 10.0.0.0/8
    DOMAIN = "domain"
    ACCOUNT = "account"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class Protected:
    """One row of the list; `value` is normal (see `normal_value`)."""

    kind: TargetKind
    value: str
    reason: str


def normal_value(kind: TargetKind, text: str) -> str:
    """The form under which a value is kept. Raises ValueError with a sentence."""
    plain = _plain(text)
    if not plain or len(plain) > MAX_VALUE or any(each.isspace() for each in plain):
        raise ValueError(f"A value has 1 to {MAX_VALUE} characters, and no space.")
    if kind is TargetKind.ADDRESS:
        network = _network(plain)
        if network is None:
            raise ValueError(f"{text.strip()[:80]} is no address, and no range such as 10.0.0.0/8.")
        return str(network)
    return plain


def touched(
    rows: Iterable[Protected], target: str, parameters: Mapping[str, object]
) -> tuple[Protected, str] | None:
    """The row of the list that an action would touch, and the value by which, or None.

    The target counts whatever it looks like. Of the other parameters prose does not: a note may name what it is about.
    """
    values = [target, *(each for each in _texts(parameters) if not any(map(str.isspace, each)))]
    seen = [_Value(each) for each in dict.fromkeys(values) if each]
    for row in rows:
        found = next((value for value in seen if value.touches(row)), None)
        if found is not None:
            return row, found.text
    return None


class _Value:
    """A text of an action, with everything that it names."""

    def __init__(self, text: str) -> None:
        self.text = text
        plain = _plain(text)
        named = [(each.type, each.value) for each in extract(plain)]
        networks = (_network(each) for each in [plain, *(value for kind, value in named if kind == "ip")])
        self.networks = [each for each in networks if each is not None]
        self.domains = {plain, *(value for kind, value in named if kind == "domain")}
        self.accounts = {plain, plain.rpartition("\\")[2], plain.partition("@")[0]}
        self.hosts = self.domains

    def touches(self, row: Protected) -> bool:
        match row.kind:
            case TargetKind.ADDRESS:
                return any(_overlap(ipaddress.ip_network(row.value), each) for each in self.networks)
            case TargetKind.DOMAIN:
                return any(_is_below(each, row.value) or _is_below(row.value, each) for each in self.domains)
            case TargetKind.ACCOUNT:
                return not self.accounts.isdisjoint({row.value, row.value.rpartition("\\")[2]})
            case TargetKind.HOST:
                return any(_same_host(each, row.value) for each in self.hosts)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().rstrip(".").casefold()


def _network(text: str) -> Network | None:
    """An IPv4 address that is written as one of IPv6 is the IPv4 address."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        return ipaddress.ip_network((mapped, network.prefixlen - 96)) if mapped else network
    return network


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def _is_below(name: str, above: str) -> bool:
    return name == above or name.endswith(f".{above.removeprefix('*.')}")


def _same_host(one: str, other: str) -> bool:
    """A short name means any host of that name."""
    if one == other:
        return True
    return ("." not in one or "." not in other) and one.partition(".")[0] == other.partition(".")[0]


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
