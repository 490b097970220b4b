"""Which addresses the product may connect to. Judged after resolution, never by the name that was written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from playbooks.connectors.errors import RefusedError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
COMPATIBLE = IPv6Network("::/96")  # RFC 4291, section 2.5.5.1, deprecated and still routed by some stacks

# What `is_global` of Python 3.11 calls global and is not, or may not be in another release.
INTERNAL: tuple[Network, ...] = (
    IPv4Network("100.64.0.0/10"),  # carrier-grade NAT, RFC 6598
    IPv4Network("168.63.129.16/32"),  # the host agent of Azure
    IPv4Network("192.0.0.0/24"),  # protocol assignments, RFC 6890
    IPv4Network("192.88.99.0/24"),  # 6to4 relays, RFC 7526
    IPv6Network("64:ff9b:1::/48"),  # NAT64 of the local network, RFC 8215
    IPv6Network("fec0::/10"),  # site-local, RFC 3879
)


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """The networks of an egress list. Raises RefusedError where one is not a CIDR network."""
    try:
        return tuple(ip_network(text.strip()) for text in texts)
    except ValueError as error:
        raise RefusedError(
            f"The connection's egress list is wrong: {error}. Correct the connection."
        ) from error


def may_reach(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether `address`, and every address that it carries, is public or in one of the `allowed` networks."""
    return all(is_public(each) or _is_in(each, allowed) for each in unwrapped(address))


def is_public(address: Address) -> bool:
    """Whether `address`, which carries no other, is unicast and belongs to the internet at large."""
    return address.is_global and not address.is_multicast and not _is_in(address, INTERNAL)


def unwrapped(address: Address) -> tuple[Address, ...]:
    """The IPv4 addresses at which a packet for `address` can end up; itself where it carries none."""
    if isinstance(address, IPv4Address):
        return (address,)
    return tuple(_carried(address)) or (address,)


def _carried(address: IPv6Address) -> Iterator[IPv4Address]:
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address in NAT64 or (address in COMPATIBLE and int(address) > 1):
        yield IPv4Address(int(address) & 0xFFFFFFFF)


def _is_in(address: Address, allowed: Sequence[Network]) -> bool:
    return any(address in network for network in allowed)


def parsed(text: str) -> Address:
    """The address in `text`; an IPv4-mapped one as the IPv4 address that it is. Raises ValueError."""
    address = ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
