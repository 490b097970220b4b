"""What the team's own lists say about an address. The narrowest network wins, of equals the worst verdict."""

from __future__ import annotations

from collections.abc import Mapping

from playbooks.connectors import network_table
from playbooks.connectors.addresses import parsed
from playbooks.connectors.declaration import Binding, Connector, Context
from playbooks.connectors.errors import RefusedError
from playbooks.connectors.network_table import Row
from playbooks.connectors.schemas import ADDRESS, TEXT, record
from playbooks.domain.actions import Action, Effect, NothingToUndo, Repeat, Timeout
from playbooks.domain.outcomes import Outcome, Succeeded

COLUMNS = ("verdict", "score", "source")
VERDICTS = ("malicious", "suspicious", "unknown", "benign")  # the worst first
USUAL_SCORE = {"malicious": 90, "suspicious": 60, "unknown": 0, "benign": 0}


def lookup_address(context: Context, *, address: str) -> Outcome:
    rows = network_table.find(context, COLUMNS, parsed(address))
    for row in rows:
        _check(row)
    if not rows:
        return Succeeded({"address": address, "verdict": "unknown", "score": 0, "sources": []})
    best = min(rows, key=lambda row: (-row.network.prefixlen, VERDICTS.index(row.columns["verdict"])))
    sources = dict.fromkeys(row.columns["source"] or row.place for row in rows)
    verdict, score = best.columns["verdict"], best.columns["score"]
    return Succeeded(
        {
            "address": address,
            "verdict": verdict,
            "score": int(score) if score else USUAL_SCORE[verdict],
            "sources": list(sources)[:100],
        }
    )


def _check(row: Row) -> None:
    verdict, score = row.columns["verdict"], row.columns["score"]
    if verdict not in VERDICTS:
        raise RefusedError(f"{row.place} has a verdict that is none of {', '.join(VERDICTS)}. Correct it.")
    if score and not (score.isascii() and score.isdigit() and int(score[:4]) <= 100):
        raise RefusedError(f"{row.place} has a score that is no whole number from 0 to 100. Correct it.")


def preview(context: Context, *, address: str) -> Mapping[str, object]:
    return {
        "address": address,
        "files": list(context.lines("files")),
        "networks": len(context.lines("networks")),
    }


LOOKUP = Action(
    key="reputation.lookup_address",
    label="Look up the reputation of an address",
    inputs=record({"address": ADDRESS}),
    outputs=record(
        {
            "address": ADDRESS,
            "verdict": {"enum": list(VERDICTS)},
            "score": {"type": "integer", "minimum": 0, "maximum": 100},
            "sources": {"type": "array", "items": TEXT},
        }
    ),
    effect=Effect.READ,
    repeat=Repeat.SAFE,
    undo=NothingToUndo(),
    timeout=Timeout(default=20, maximum=60),
    target="address",
    example={"address": "198.51.100.24", "verdict": "malicious", "score": 92, "sources": ["team blocklist"]},
)

CONNECTOR = Connector(
    key="reputation",
    label="Reputation lists",
    fields=network_table.fields(COLUMNS),
    bindings=(Binding(LOOKUP, lookup_address, preview, lookup=None, verify=None),),
)
