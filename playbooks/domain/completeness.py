"""Whether anything was left out of an evidence bundle: what it says it holds, and that all of that is there.

Standard library only: this module is part of the offline verifier.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from playbooks.domain.archive import Archive, RefusalError
from playbooks.domain.entries import Body, parse_body
from playbooks.domain.tree import leaf_hash

BUNDLE_FORMAT = "countersign/bundle/1"
ATTACHED = {"alert.attached": "alert", "run.attached": "run"}


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the bundle says it holds. `streams` are those that are complete: name -> (last number, last
    leaf).
    """

    scope: Mapping[str, str]
    entries: int
    streams: Mapping[str, tuple[int, str]]
    range: tuple[int, int] | None
    tree_size: int
    files: Mapping[str, str]
    profiles: frozenset[str]  # under which anything was asked

    @property
    def kind(self) -> str:
        return self.scope["kind"]

    @property
    def is_complete(self) -> bool:
        """Whether every entry must belong to a stream that is there as a whole."""
        return self.kind in {"case", "run"}

    @property
    def home(self) -> str:
        """The stream in which the export itself is recorded."""
        return f"{self.kind}/{self.scope['id']}" if self.is_complete else "system/exports"


def parse_manifest(value: Any) -> Manifest:
    if value["format"] != BUNDLE_FORMAT or value["scope"]["kind"] not in {"case", "run", "person", "period"}:
        raise RefusalError("The manifest is of a kind that this verifier does not know.")
    return Manifest(
        scope=value["scope"],
        entries=value["entries"],
        streams={f"{each['kind']}/{each['key']}": (each["seq"], each["leaf"]) for each in value["streams"]},
        range=None if value["range"] is None else (value["range"][0], value["range"][1]),
        tree_size=value["tree_size"],
        files=value["files"],
        profiles=frozenset(value["profiles"]),
    )


@dataclass(slots=True)
class Chain:
    """How far a stream has been followed."""

    seq: int = 0
    leaf: str = ""

    def follow(self, body: Body, leaf: str) -> None:
        if (body.stream_seq, body.previous) != (self.seq + 1, self.leaf):
            raise RefusalError(
                f"{body.stream}#{self.seq + 1} is missing, or the order was changed.", body.name
            )
        self.seq, self.leaf = body.stream_seq, leaf


def check_streams(archive: Archive, manifest: Manifest) -> None:
    """Every stream that counts as complete is there from 1 to its head, and the closing entry comes next."""
    chains = {name: Chain() for name in manifest.streams}
    *_, (closing, closing_leaf) = leaves(archive)
    for body, leaf in islice(leaves(archive), manifest.entries):
        if body.stream in chains:
            chains[body.stream].follow(body, leaf)
        elif manifest.is_complete:
            raise RefusalError("It belongs to a stream that the manifest does not list.", body.name)
    for name, head in manifest.streams.items():
        if (chains[name].seq, chains[name].leaf) != head:
            raise RefusalError(
                f"{name}#{chains[name].seq + 1} is missing, up to #{head[0]}.", f"{name}#{head[0]}"
            )
    if manifest.is_complete:
        chains.get(manifest.home, Chain()).follow(closing, closing_leaf)


def check_selection(archive: Archive, manifest: Manifest) -> None:
    """What the scope asks for is what is there."""
    match manifest.kind:
        case "case" | "run":
            _check_named(archive, manifest)
        case "person":
            for body in islice(bodies(archive), manifest.entries):
                if body.actor_id != manifest.scope["id"]:
                    raise RefusalError("It is not about what that person did.", body.name)
        case "period":
            _check_period(archive, manifest)


def _check_named(archive: Archive, manifest: Manifest) -> None:
    """A case comes with every stream that its entries name, and with no other."""
    named = {manifest.home}
    for body in bodies(archive):
        if body.stream == manifest.home and manifest.kind == "case" and body.verb in ATTACHED:
            kind = ATTACHED[body.verb]
            named.add(f"{kind}/{body.facts[kind]}")
            if f"{kind}/{body.facts[kind]}" not in manifest.streams:
                raise RefusalError(
                    f"It names the {kind} {body.facts[kind]}, which is not in the bundle.", body.name
                )
    if named != set(manifest.streams):
        raise RefusalError("The bundle does not hold exactly the streams that its scope names.")


def _check_period(archive: Archive, manifest: Manifest) -> None:
    """The first entry is from before the period and the last from after it, unless the log begins or ends
    there.

    Between them no place of the log is left out (see verify.py, _check_leaves), and no stream has a gap.
    """
    if manifest.range is None or manifest.entries == 0:
        raise RefusalError("The bundle of a period has no entries.")
    first, *_ = bodies(archive)
    chains: dict[str, Chain] = {}
    for body, leaf in islice(leaves(archive), manifest.entries):
        chains.setdefault(body.stream, Chain(body.stream_seq - 1, body.previous)).follow(body, leaf)
    if manifest.range[0] > 0 and first.occurred_at >= manifest.scope["from"]:
        raise RefusalError("The bundle begins within the period.", first.name)
    if manifest.range[1] < manifest.tree_size - 1 and body.occurred_at < manifest.scope["to"]:
        raise RefusalError("The bundle ends within the period.", body.name)


def leaves(archive: Archive) -> Iterator[tuple[Body, str]]:
    for line in archive.lines("entries.jsonl"):
        yield parse_body(line), leaf_hash(line).hex()


def bodies(archive: Archive) -> Iterator[Body]:
    return (parse_body(line) for line in archive.lines("entries.jsonl"))
