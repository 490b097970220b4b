"""The offline verifier of evidence bundles: verify.py BUNDLE --key KEY [--json]

KEY is the verifier key of the log, or a file that holds it, which you obtained EARLIER and NOT from the
bundle. Exit status: 0 verified, 1 refused, 2 wrong usage. It checks, in this order: the checkpoint's
signature, the manifest and the entry that records the export, every entry's leaf and its inclusion in the
signed tree, that nothing was left out, the digests of the files, and that every approval comes to the same
verdict when it is replayed.

Python 3.11 or newer and its standard library are all it needs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import struct
import sys
import zipfile
import zlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from playbooks.domain.archive import CORE, Archive, RefusalError
from playbooks.domain.completeness import Manifest, bodies, check_selection, check_streams, parse_manifest
from playbooks.domain.entries import Body, BodyError, parse_body, strict_json
from playbooks.domain.notes import Checkpoint, NoteError, VerifierKey, open_checkpoint, parse_verifier_key
from playbooks.domain.replay import ContradictionError, Replay
from playbooks.domain.tree import HASH_SIZE, leaf_hash, verify_inclusion

# What reading a hostile file can raise; whatever it is, the bundle is refused.
UNREADABLE = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError, LookupError,
    TypeError, ArithmeticError, MemoryError,
)  # fmt: skip


@dataclass(slots=True)
class Report:
    """What was found, in numbers."""

    scope: Mapping[str, str]
    checkpoint: Checkpoint
    entries: int = 0
    streams: int = 0
    runs_replayed: int = 0
    decisions: int = 0
    refusals: int = 0
    approved_actions: int = 0
    self_confirmed_actions: int = 0
    passed_actions: int = 0
    provisional_actions: int = 0
    other_actions: int = 0
    profiles: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        counts = {name: getattr(self, name) for name in self.__slots__ if name not in {"scope", "checkpoint"}}
        signed = {
            "origin": self.checkpoint.origin,
            "size": self.checkpoint.size,
            "root": self.checkpoint.root.hex(),
            "extensions": list(self.checkpoint.extensions),
        }
        return {"verdict": "verified", "scope": dict(self.scope), "checkpoint": signed, **counts}

    def __str__(self) -> str:
        signed = self.checkpoint
        return (
            f"VERIFIED: {self.entries} entries about {_about(self.scope)}, all in the log"
            f" {signed.origin} of {signed.size} entries ({', '.join(signed.extensions)}).\n"
            f"{_completeness(self)}\n"
            f"Replayed {self.runs_replayed} runs: {self.decisions} decisions and {self.refusals} refusals"
            f" come to the same verdicts; {self.approved_actions} actions ran under an approval of exactly what ran,"
            f" {self.passed_actions} were passed by break-glass and approved by nobody,"
            f" {self.provisional_actions} ran provisionally before anybody was asked, {self.other_actions} ran"
            f" without a gate before them.{_segregation(self)}"
        )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Verifies an evidence bundle of Countersign, offline.")
    parser.add_argument("bundle", help="the bundle, a zip file")
    parser.add_argument(
        "--key", required=True, help="the verifier key, or its file, obtained before and elsewhere"
    )
    parser.add_argument("--json", action="store_true", help="answer as JSON")
    options = parser.parse_args(argv)
    try:
        key = read_key(options.key)
    except (NoteError, OSError, UnicodeDecodeError) as error:
        parser.error(f"--key: {printable(str(error))}")
    try:
        report = verify(options.bundle, key)
    except RefusalError as refusal:
        _say_refused(refusal, as_json=options.json)
        return 1
    _print(json.dumps(report.as_json()) if options.json else str(report))
    return 0


def verify(path: str, key: VerifierKey) -> Report:
    """Checks the bundle at `path`. Raises RefusalError for the first thing that does not hold, and nothing
    else.
    """
    try:
        with Archive(path) as archive:
            return _verify(archive, key)
    except NoteError as error:
        raise RefusalError(str(error)) from error
    except UNREADABLE as error:
        raise RefusalError(f"The bundle cannot be read: {type(error).__name__}: {error}") from error


def read_key(text: str) -> VerifierKey:
    """The key in `text`, or in the last line of the file that it names. Raises NoteError, OSError."""
    try:
        return parse_verifier_key(text)
    except NoteError:
        if not Path(text).is_file():
            raise
    lines = Path(text).read_text(encoding="utf-8").split()
    return parse_verifier_key(lines[-1] if lines else "")


def printable(text: str) -> str:
    """Text from a bundle, with everything escaped that could play tricks on a terminal."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _verify(archive: Archive, key: VerifierKey) -> Report:
    checkpoint = open_checkpoint(archive.read("checkpoint"), key)
    manifest = _open_manifest(archive, checkpoint)
    count = _check_leaves(archive, manifest, checkpoint)
    report = Report(manifest.scope, checkpoint, entries=manifest.entries, streams=len(manifest.streams))
    check_streams(archive, manifest)  # before they are counted, since it can name what is missing
    _check_count(manifest, count)
    check_selection(archive, manifest)
    _check_files(archive, manifest)
    _replay(archive, manifest, report)
    return report


def _open_manifest(archive: Archive, checkpoint: Checkpoint) -> Manifest:
    """The manifest, which the closing entry vouches for: nobody can write another without changing the
    log.
    """
    raw = archive.read("manifest.json")
    closing = _closing(archive, checkpoint)
    digest = hashlib.sha256(raw).hexdigest()
    if closing.verb != "export.made" or closing.facts.get("manifest") != digest:
        raise RefusalError(
            "The manifest is not that of this export: it was changed, or the export's own entry is missing.",
            closing.name,
        )
    manifest = parse_manifest(strict_json(raw))
    if closing.facts.get("scope") != manifest.scope or closing.stream != manifest.home:
        raise RefusalError("The export that is recorded here is one of something else.", closing.name)
    return manifest


def _closing(archive: Archive, checkpoint: Checkpoint) -> Body:
    """The last entry, once it has been found to be in the signed tree."""
    line, proof = (deque(archive.lines(name), maxlen=1) for name in ("entries.jsonl", "proofs.jsonl"))
    if not line or not proof:
        raise RefusalError("The bundle has no entries or no proofs.")
    _check_leaf(line[0], proof[0], checkpoint)
    return parse_body(line[0])


def _check_leaves(archive: Archive, manifest: Manifest, checkpoint: Checkpoint) -> int:
    """How many lines there are before the last. Each is the leaf that its proof says, and the signed tree holds it."""
    count = -1
    for count, (line, raw) in enumerate(
        zip_longest(archive.lines("entries.jsonl"), archive.lines("proofs.jsonl"))
    ):
        if line is None or raw is None:
            raise RefusalError(f"There are not as many entries as proofs: line {count + 1} is missing.")
        index = _check_leaf(line, raw, checkpoint)
        if manifest.range and count < manifest.entries and index != manifest.range[0] + count:
            raise RefusalError(
                f"The entry at place {manifest.range[0] + count} of the log is missing.",
                parse_body(line).name,
            )
    return count


def _check_count(manifest: Manifest, count: int) -> None:
    if count != manifest.entries:
        raise RefusalError(
            f"The manifest counts {manifest.entries} entries and the closing one, the bundle {count + 1}."
        )


def _check_leaf(line: bytes, raw: bytes, checkpoint: Checkpoint) -> int:
    """The place of the entry in the tree, once leaf and proof have been found to be right."""
    leaf = leaf_hash(line)
    try:
        proof = strict_json(raw)
        name, index = str(proof["entry"]), int(proof["index"])
        said, path = str(proof["leaf"]), [_hash(step) for step in proof["path"]]
    except (ValueError, LookupError, TypeError) as error:
        raise RefusalError("Its proof cannot be read.", _name_of(line)) from error
    if leaf.hex() != said:
        raise RefusalError(
            "It was changed, removed or moved: its bytes are not those that its proof is for.", name
        )
    if not verify_inclusion(leaf, index, checkpoint.size, path, checkpoint.root):
        raise RefusalError(f"It is not at place {index} of the signed tree, or its proof was changed.", name)
    if _name_of(line) != name:
        raise RefusalError("Its proof calls it something else.", _name_of(line))
    return index


def _hash(text: str) -> bytes:
    """A hash in lower-case hex. Raises ValueError for any other spelling, so that no change goes unseen."""
    value = bytes.fromhex(text)
    if value.hex() != text or len(value) != HASH_SIZE:
        raise ValueError("This is no SHA-256 in lower-case hex.")
    return value


def _name_of(line: bytes) -> str:
    try:
        return parse_body(line).name
    except BodyError:
        return ""


def _check_files(archive: Archive, manifest: Manifest) -> None:
    """The other files have the manifest's digests, and the version of every run is there under its own."""
    if archive.names != CORE | set(manifest.files):
        raise RefusalError("The files in the bundle are not those that the manifest lists.")
    for name, digest in manifest.files.items():
        found = hashlib.sha256(archive.read(name)).hexdigest()
        if found != digest or (name.startswith("versions/") and name != f"versions/{digest}.json"):
            raise RefusalError(f"{name} was changed.")
    for body in bodies(archive):
        name = f"versions/{body.facts.get('version_digest')}.json"
        if body.verb == "run.started" and name not in archive.names:
            raise RefusalError(f"The playbook version that ran is not in the bundle: {name}", body.name)


def _replay(archive: Archive, manifest: Manifest, report: Report) -> None:
    """Replays every run that is there from its first entry. What a person did is only a part of each run."""
    replays: dict[str, Replay] = {}
    for body in () if manifest.kind == "person" else bodies(archive):
        if body.stream_kind == "run" and body.stream_seq == 1:
            replays[body.stream] = Replay()
        try:
            if body.stream in replays:
                replays[body.stream].feed(body)
        except ContradictionError as contradiction:
            raise RefusalError(str(contradiction), body.name) from contradiction
    for name, replay in replays.items():
        try:
            replay.finish()
        except ContradictionError as contradiction:
            raise RefusalError(str(contradiction), name) from contradiction
    report.runs_replayed = len(replays)
    report.profiles = tuple(sorted(set().union(*(each.profiles for each in replays.values()))))
    if not set(report.profiles) <= manifest.profiles:
        raise RefusalError("The manifest hides a profile under which something was asked.")
    for count in (
        *("decisions", "refusals", "approved_actions", "self_confirmed_actions"),
        *("passed_actions", "provisional_actions", "other_actions"),
    ):
        setattr(report, count, sum(getattr(each, count) for each in replays.values()))


def _segregation(report: Report) -> str:
    """How far duties were segregated, where it was less than in a team."""
    told = []
    if "pair" in report.profiles:
        told.append("Profile pair: one approval was enough for any quorum, never that of whoever asked.")
    if "solo" in report.profiles:
        told.append(
            "Profile solo: duties not segregated; of the actions that ran, "
            f"{report.self_confirmed_actions} had been confirmed by one person alone, and approved by nobody."
        )
    return "".join(f"\n{each}" for each in told)


def _about(scope: Mapping[str, str]) -> str:
    return printable(" ".join(str(scope[name]) for name in ("kind", "id", "from", "to") if name in scope))


def _completeness(report: Report) -> str:
    match report.scope["kind"]:
        case "person":
            return (
                "Each entry is authentic; that none is missing can be shown for cases, runs and periods only."
            )
        case "period":
            return "No place of the log is left out between the first entry and the last."
        case _:
            return f"Nothing is missing from any of the {report.streams} streams."


def _say_refused(refusal: RefusalError, *, as_json: bool) -> None:
    if as_json:
        _print(json.dumps({"verdict": "refused", "entry": refusal.entry, "reason": refusal.reason}))
        return
    where = f"{printable(refusal.entry)}: " if refusal.entry else ""
    _print(f"REFUSED: {where}{printable(refusal.reason)}")


def _print(text: str) -> None:
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n")


if __name__ == "__main__":
    sys.exit(main())
