"""A small catalogue and playbooks for the tests of the language."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from playbooks.domain.actions import (
    Action,
    Catalogue,
    Effect,
    Irreversible,
    NothingToUndo,
    Repeat,
    Timeout,
    Undo,
)
from playbooks.domain.check import check
from playbooks.domain.playbook import Playbook

LIBRARY = Path(__file__).parents[2] / "playbooks" / "library"
BLOCK_ATTACKER = (LIBRARY / "block-attacker.yaml").read_text()

TEXT = {"type": "string"}
HEAD = "playbook: sample\ntitle: A sample\ninputs: {address: {type: ip}}\nsteps:\n"

# Every kind of step, on three levels.
NESTED = """
playbook: nested
title: Isolate the hosts
inputs: {user: {type: user}, limit: {type: integer, default: 80}}
steps:
  - {id: find, do: edr.find_hosts, with: {user: "${ inputs.user }"}}
  - id: scope
    ask: Which hosts of ${ inputs.user } are affected?
    fields: {hosts: {type: list, title: Hosts}, note: {type: string, default: ""}}
    who: {role: tier-2}
    within: 4h
    late: fail
  - {id: gate, approve: Isolate them?, show: [find, scope], seats: [{role: tier-2}]}
  - id: hosts
    each: ${ steps.find.outputs.hosts }
    at_once: 5
    may_fail: 1
    outputs: {name: "${ item.name }", state: "${ steps.isolate.state }"}
    timeout: 2h
    steps:
      - {id: isolate, do: edr.isolate_host, with: {host: "${ item.name }"}, expires: 24h}
      - id: watch
        repeat: {until: steps.score.outputs.value < inputs.limit || turn > 3, most: 5, every: 30s}
        outputs: {value: "${ steps.score.outputs.value }"}
        steps:
          - {id: score, script: {python: "print('{}')"}, with: {risk: "${ item.risk + turn }"}, timeout: 30s}
          - {id: pause, when: turn < 5, wait: {for: 10m}}
  - {id: contain, needs: [gate], run: block-at-gateway, with: {user: "${ inputs.user }"}, timeout: 2h}
  - {id: reply, needs: [gate], wait: {event: mail.replied, key: "${ inputs.user }", late: go_on}}
  - {id: new, needs: [gate], do: accounts.new_password, with: {user: u}, secret_outputs: [password]}
  - {id: hand, do: accounts.tell, with: {user: u, password: "${ steps.new.outputs.password }"}}
  - id: result
    needs: [hosts, contain, reply, hand]
    after: always
    when: steps.reply.outputs.arrived
    set: {count: "${ steps.hosts.outputs.succeeded }", note: "${ steps.scope.outputs.note }"}
outputs: {hosts: "${ steps.hosts.outputs.results }"}
"""


def action(
    key: str,
    effect: Effect,
    inputs: Mapping[str, object],
    outputs: Mapping[str, object],
    undo: Undo | Irreversible | NothingToUndo | None = None,
) -> Action:
    return Action(
        key=key,
        label=key,
        inputs={
            "type": "object",
            "properties": inputs,
            "required": list(inputs),
            "additionalProperties": False,
        },
        outputs={"type": "object", "properties": outputs},
        effect=effect,
        repeat=Repeat.SAFE,
        undo=undo or NothingToUndo(),
        timeout=Timeout(default=20, maximum=60),
        target=next(iter(inputs)),
        example={},
    )


_ADDRESS = {"address": TEXT}
_HOURS = {"type": "integer", "minimum": 1}
_HOST = {"type": "object", "properties": {"name": TEXT, "risk": {"type": "integer"}}}
_ALL = (
    action(
        "reputation.lookup_address",
        Effect.READ,
        _ADDRESS,
        {
            **_ADDRESS,
            "verdict": TEXT,
            "score": {"type": "integer"},
            "sources": {"type": "array", "items": TEXT},
        },
    ),
    action("assets.find_owner", Effect.READ, _ADDRESS, {"owner": TEXT, "known": {"type": "boolean"}}),
    action(
        "nftables.block_address",
        Effect.CHANGE,
        {**_ADDRESS, "hours": _HOURS},
        {"changed": {"type": "boolean"}},
    ),
    action("notify.send", Effect.MESSAGE, {"text": TEXT}, {}, Irreversible("A message is out.")),
    action("edr.find_hosts", Effect.READ, {"user": TEXT}, {"hosts": {"type": "array", "items": _HOST}}),
    action(
        "edr.isolate_host",
        Effect.CHANGE,
        {"host": TEXT},
        {"changed": {"type": "boolean"}},
        Undo("edr.release_host", {"host": "${ inputs.host }"}),
    ),
    action("edr.release_host", Effect.CHANGE, {"host": TEXT}, {"changed": {"type": "boolean"}}),
    action("accounts.new_password", Effect.CHANGE, {"user": TEXT}, {"password": TEXT, "hint": TEXT}),
    action("accounts.tell", Effect.MESSAGE, {"user": TEXT, "password": TEXT | {"writeOnly": True}}, {}),
    action("disks.wipe", Effect.DESTROY, {"host": TEXT}, {"changed": {"type": "boolean"}}),
)
CATALOGUE: Catalogue = {each.key: each for each in _ALL}


def problems(text: str) -> list[str]:
    """The messages of every problem, in the order of their places."""
    return [problem.message for problem in check(text, CATALOGUE).problems]


def playbook(*steps: str) -> Playbook:
    """A playbook of these steps, each a YAML flow mapping without its braces; it checks clean."""
    checked = check(HEAD + "".join(f"  - {{{step}}}\n" for step in steps), CATALOGUE)
    assert checked.playbook is not None, checked.problems
    return checked.playbook
