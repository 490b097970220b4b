"""Blocks addresses at a Linux router or host, with nftables (nft(8), libnftables-json(5)).

The blocked addresses are two sets in a table of our own, `inet countersign`. Its chains run before those of
everybody else, above all before an "established, related accept", so that a block also ends open connections.
Each element carries the idempotency key of the step that put it there: it tells after a lost answer whether
the block happened, and in a rollback whether the block is still ours.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import Any

from playbooks.connectors.addresses import Address, networks, parsed
from playbooks.connectors.declaration import Binding, Connector, Context, Field
from playbooks.connectors.errors import AnswerLostError, RefusedError, UnreachableError
from playbooks.connectors.schemas import ADDRESS, FLAG, TEXT, record
from playbooks.domain.actions import Action, Effect, Irreversible, NothingToUndo, Repeat, Timeout, Undo
from playbooks.domain.outcomes import Failed, Outcome, Succeeded

FAMILY, TABLE = "inet", "countersign"
SETS = {"ipv4": ("blocked_ipv4", "ipv4_addr", "ip"), "ipv6": ("blocked_ipv6", "ipv6_addr", "ip6")}
HOOKS = ("forward", "input", "output")
PRIORITY = -10  # before the filter chains (0), after connection tracking (-200)
OURS = "countersign:"

# Whoever may edit a connection must not thereby run any program: these are all the ways to reach nft.
COMMAND = re.compile(r"(sudo -n)? ?(ip netns exec [A-Za-z0-9][A-Za-z0-9_.-]{0,63})?")

FIELDS = (
    Field(
        "command",
        "Command before nft",
        "list",
        False,
        "One word a line: nothing, sudo -n, ip netns exec NAME, or the two in this order.",
        (),
    ),
    Field(
        "protected", "Never block", "list", False, "Networks in CIDR form: your own management networks.", ()
    ),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One blocked address as the kernel has it; `expires_at` is empty where it never expires."""

    address: str
    comment: str
    expires_at: str


def block_address(context: Context, *, address: str, hours: int) -> Outcome:
    target = _blockable(context, address)
    _run(context, _table())
    error = _attempt(context, _creation(target, hours, _entry(context)))
    found = _find(context, target)
    if found is None:
        return Failed(
            f"nft did not block {target}: {error or 'the element is missing afterwards'}.", permanent=False
        )
    return Succeeded(_outputs(context, found))


def lookup_block(context: Context, *, address: str, hours: int) -> Outcome | None:  # noqa: ARG001 — the action's inputs
    found = _find(context, _blockable(context, address))
    ours = found is not None and found.comment == _entry(context)
    return Succeeded(_outputs(context, found)) if found is not None and ours else None


def preview_block(context: Context, *, address: str, hours: int) -> Mapping[str, object]:
    target = _blockable(context, address)
    return _rendered(context, [*_table(), *_creation(target, hours, _entry(context))])


def unblock_address(context: Context, *, address: str, entry: str | None = None) -> Outcome:
    """With `entry`, lifts that block only. Between look and deletion nft offers no compare-and-set."""
    target = parsed(address)
    found = _find(context, target)
    if found is None:
        return Succeeded({"address": str(target), "changed": False})
    if entry is not None and found.comment != entry:
        return Failed(_foreign(found), permanent=True)
    error = _attempt(context, [_deletion(target)])
    if _find(context, target) is not None:
        return Failed(f"nft did not unblock {target}: {error}.", permanent=False)
    return Succeeded({"address": str(target), "changed": True})


def verify_unblock(
    context: Context, inputs: Mapping[str, object], outputs: Mapping[str, object]
) -> str | None:
    """A block that expired or was lifted is no drift: there is nothing left to take back."""
    found = _find(context, parsed(str(inputs["address"])))
    ours = inputs.get("entry", outputs.get("entry"))
    return None if found is None or found.comment == ours else _foreign(found)


def preview_unblock(context: Context, *, address: str, entry: str | None = None) -> Mapping[str, object]:
    only = {} if entry is None else {"only_if_entry_is": entry}
    return {**_rendered(context, [_deletion(parsed(address))]), **only}


def list_blocked(context: Context, *, family: str) -> Outcome:
    entries = [
        {"address": each.address, "entry": each.comment, "expires_at": each.expires_at}
        for each in _entries(context, family)
    ]
    return Succeeded({"family": family, "count": len(entries), "entries": entries[:5000]})


def preview_list(context: Context, *, family: str) -> Mapping[str, object]:
    return _rendered(context, [_listing(family)])


def _blockable(context: Context, text: str) -> Address:
    """Raises RefusedError for what is no host on the network, and for what the team protects."""
    address = parsed(text)
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        raise RefusedError(
            f"{address} is no host's address on the network, so it is not blocked. Correct the address."
        )
    if any(address in network for network in networks(context.lines("protected"))):
        raise RefusedError(
            f"{address} is in a network that this connection never blocks. Ask the connection's owner."
        )
    return address


def _entry(context: Context) -> str:
    return OURS + context.idempotency_key


def _outputs(context: Context, found: Entry) -> Mapping[str, object]:
    """`changed` also where an earlier attempt of the same step put the entry there.

    Somebody else's entry stays as they set it; `expires_at` then says until when it blocks.
    """
    return {
        "address": found.address,
        "changed": found.comment == _entry(context),
        "entry": found.comment,
        "expires_at": found.expires_at,
    }


def _foreign(found: Entry) -> str:
    holder = f"the entry {found.comment}" if found.comment else "an entry without a comment"
    return (
        f"{found.address} is blocked by {holder}, which is not the block of this step, so it is left alone. "
        "Find out who set it before lifting it."
    )


def _family(address: Address) -> str:
    return "ipv4" if isinstance(address, IPv4Address) else "ipv6"


def _find(context: Context, address: Address) -> Entry | None:
    return next((each for each in _entries(context, _family(address)) if each.address == str(address)), None)


def _entries(context: Context, family: str) -> list[Entry]:
    """The elements of a set; none where the table was never made."""
    tables = _read(context, [{"list": {"tables": {"family": FAMILY}}}])
    if not any(each.get("table", {}).get("name") == TABLE for each in tables):
        return []
    now = datetime.now(UTC)
    sets = (each["set"] for each in _read(context, [_listing(family)]) if "set" in each)
    return [_element(element, now) for each in sets for element in each.get("elem", ())]


def _element(element: Any, now: datetime) -> Entry:
    """nft writes a bare address for an element without time-out and comment."""
    fields = element["elem"] if isinstance(element, dict) else {"val": element}
    expires = fields.get("expires")
    expires_at = "" if expires is None else (now + timedelta(seconds=expires)).isoformat(timespec="seconds")
    return Entry(str(parsed(fields["val"])), fields.get("comment", ""), expires_at)


Command = Mapping[str, object]


def _table() -> list[Command]:
    """Makes table, sets, chains and rules, or restores them, in one transaction of the kernel."""
    commands: list[Command] = [{"add": {"table": {"family": FAMILY, "name": TABLE}}}]
    for name, kind, _ in SETS.values():
        commands.append({"add": {"set": {**_in_table(), "name": name, "type": kind, "flags": ["timeout"]}}})
    for hook in HOOKS:
        chain = {**_in_table(), "name": hook}
        base = {**chain, "type": "filter", "hook": hook, "prio": PRIORITY, "policy": "accept"}
        commands += [{"add": {"chain": base}}, {"flush": {"chain": chain}}]
        commands += [
            _rule(hook, name, protocol, side)
            for name, _, protocol in SETS.values()
            for side in ("saddr", "daddr")
        ]
    return commands


def _rule(chain: str, name: str, protocol: str, side: str) -> Command:
    address = {"payload": {"protocol": protocol, "field": side}}
    match = {"match": {"op": "==", "left": address, "right": f"@{name}"}}
    return {
        "add": {"rule": {**_in_table(), "chain": chain, "expr": [match, {"counter": None}, {"drop": None}]}}
    }


def _in_table() -> dict[str, object]:
    return {"family": FAMILY, "table": TABLE}


def _creation(address: Address, hours: int, entry: str) -> list[Command]:
    """`create`, unlike `add`, fails where the address is there already: nobody's entry is overwritten."""
    element = {"elem": {"val": str(address), "timeout": hours * 3600, "comment": entry}}
    return [{"create": {"element": {**_in_table(), "name": SETS[_family(address)][0], "elem": [element]}}}]


def _deletion(address: Address) -> Command:
    return {"delete": {"element": {**_in_table(), "name": SETS[_family(address)][0], "elem": [str(address)]}}}


def _listing(family: str) -> Command:
    return {"list": {"set": {**_in_table(), "name": SETS[family][0]}}}


def _rendered(context: Context, commands: Iterable[Command]) -> Mapping[str, object]:
    return {"command": _argv(context), "input": {"nftables": list(commands)}}


def _argv(context: Context) -> list[str]:
    words = context.lines("command")
    if not COMMAND.fullmatch(" ".join(words)):
        raise RefusedError("The command before nft is not one that is allowed. Correct the connection.")
    return [*words, "nft", "-j", "-f", "-"]


def _read(context: Context, commands: Iterable[Command]) -> list[dict[str, dict[str, Any]]]:
    answer = json.loads(_run(context, commands))
    entries: list[dict[str, dict[str, Any]]] = answer["nftables"]
    return entries


def _attempt(context: Context, commands: Iterable[Command]) -> str | None:
    """Runs what may fail because of the state of the set; the error, None when it worked."""
    try:
        _run(context, commands)
    except UnreachableError as error:
        return str(error)
    return None


def _run(context: Context, commands: Iterable[Command]) -> str:
    """What nft says. Raises UnreachableError when it refuses, AnswerLostError when the deadline passes."""
    argv = _argv(context)
    try:
        process = subprocess.Popen(  # noqa: S603 — a list of words, checked above, and no shell
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
            start_new_session=True,
        )
    except OSError as error:
        raise RefusedError(
            f"{argv[0]} could not be started ({type(error).__name__}). Install nftables on the worker."
        ) from error
    with process:
        return _answer(process, json.dumps({"nftables": list(commands)}), context.seconds_left())


def _answer(process: subprocess.Popen[str], text: str, seconds: float) -> str:
    try:
        output, errors = process.communicate(text, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        os.killpg(process.pid, signal.SIGKILL)
        raise AnswerLostError("nft did not answer before the deadline and was stopped.") from error
    if process.returncode != 0:
        raise UnreachableError(f"nft says: {_first_line(errors)}")
    return output


def _first_line(errors: str) -> str:
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    return lines[0][:300] if lines else "nothing, and fails"


BLOCK = Action(
    key="nftables.block_address",
    label="Block an address",
    inputs=record({"address": ADDRESS, "hours": {"type": "integer", "minimum": 1, "maximum": 8760}}),
    outputs=record({"address": ADDRESS, "changed": FLAG, "entry": TEXT, "expires_at": TEXT}),
    effect=Effect.CHANGE,
    repeat=Repeat.LOOKUP,
    undo=Undo("nftables.unblock_address", {"address": "${ inputs.address }", "entry": "${ outputs.entry }"}),
    timeout=Timeout(default=20, maximum=120),
    target="address",
    example={
        "address": "198.51.100.24",
        "changed": True,
        "entry": "countersign:0197a3c2-6f6e-7c1c-9f10-2b6d4f1f8a55",
        "expires_at": "2026-11-24T09:12:00+00:00",
    },
)

UNBLOCK = Action(
    key="nftables.unblock_address",
    label="Unblock an address",
    inputs=record({"address": ADDRESS, "entry": TEXT}, optional=("entry",)),
    outputs=record({"address": ADDRESS, "changed": FLAG}),
    effect=Effect.CHANGE,
    repeat=Repeat.SAFE,
    undo=Irreversible(
        "The address can pass again at once, and how long it was still to be blocked is not kept. "
        "To be able to go back, give the step an undo: nftables.block_address."
    ),
    timeout=Timeout(default=20, maximum=120),
    target="address",
    example={"address": "198.51.100.24", "changed": False},
)

LIST = Action(
    key="nftables.list_blocked",
    label="List the blocked addresses",
    inputs=record({"family": {"enum": list(SETS)}}),
    outputs=record(
        {
            "family": {"enum": list(SETS)},
            "count": {"type": "integer"},
            "entries": {
                "type": "array",
                "items": record({"address": ADDRESS, "entry": TEXT, "expires_at": TEXT}),
                "description": "At most 5,000 of them",
            },
        }
    ),
    effect=Effect.READ,
    repeat=Repeat.SAFE,
    undo=NothingToUndo(),
    timeout=Timeout(default=20, maximum=120),
    target="",
    example={
        "family": "ipv4",
        "count": 1,
        "entries": [
            {
                "address": "198.51.100.24",
                "entry": "countersign:0197a3c2-6f6e-7c1c-9f10-2b6d4f1f8a55",
                "expires_at": "2026-11-24T09:12:00+00:00",
            }
        ],
    },
)

CONNECTOR = Connector(
    key="nftables",
    label="nftables firewall",
    fields=FIELDS,
    bindings=(
        Binding(BLOCK, block_address, preview_block, lookup=lookup_block, verify=None),
        Binding(UNBLOCK, unblock_address, preview_unblock, lookup=None, verify=verify_unblock),
        Binding(LIST, list_blocked, preview_list, lookup=None, verify=None),
    ),
)
