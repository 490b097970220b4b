"""The connectors that the product has: one line each."""

from __future__ import annotations

from collections.abc import Mapping

from playbooks.connectors.builtin import (
    assets,
    certificates,
    cloud,
    devices,
    dns,
    edge,
    edr,
    email,
    http,
    identity,
    kubernetes,
    mail,
    metrics,
    nftables,
    notify,
    patching,
    reputation,
    script,
    siem,
    tickets,
    vendors,
)
from playbooks.connectors.declaration import Binding, Connector
from playbooks.connectors.errors import RefusedError
from playbooks.domain.actions import Catalogue

CONNECTORS: Mapping[str, Connector] = {
    "assets": assets.CONNECTOR,
    "certificates": certificates.CONNECTOR,
    "cloud": cloud.CONNECTOR,
    "devices": devices.CONNECTOR,
    "dns": dns.CONNECTOR,
    "edge": edge.CONNECTOR,
    "edr": edr.CONNECTOR,
    "email": email.CONNECTOR,
    "http": http.CONNECTOR,
    "identity": identity.CONNECTOR,
    "kubernetes": kubernetes.CONNECTOR,
    "mail": mail.CONNECTOR,
    "metrics": metrics.CONNECTOR,
    "nftables": nftables.CONNECTOR,
    "notify": notify.CONNECTOR,
    "patching": patching.CONNECTOR,
    "reputation": reputation.CONNECTOR,
    "script": script.CONNECTOR,
    "siem": siem.CONNECTOR,
    "tickets": tickets.CONNECTOR,
    "vendors": vendors.CONNECTOR,
}


def connector(key: str) -> Connector:
    """Raises RefusedError for a key that no connector has."""
    if key not in CONNECTORS:
        raise RefusedError(
            f"There is no connector {key}. The connectors are {', '.join(sorted(CONNECTORS))}."
        )
    return CONNECTORS[key]


def binding(action_key: str) -> Binding:
    """Raises RefusedError for a key that no action has."""
    owner = connector(action_key.partition(".")[0])
    for each in owner.bindings:
        if each.action.key == action_key:
            return each
    known = ", ".join(each.action.key for each in owner.bindings)
    raise RefusedError(f"There is no action {action_key}. {owner.label} can do {known}.")


def catalogue() -> Catalogue:
    """Every action by its key."""
    return {each.action.key: each.action for owner in CONNECTORS.values() for each in owner.bindings}
