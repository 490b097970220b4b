"""Exports: the evidence bundle, and the entries as JSON lines.

An export has two parts. `begin` records it, in a transaction: which entries it holds and the digest of its
manifest are facts of the entry `export.made`. `write` then waits until that entry is in a signed checkpoint
and writes the file; what it writes is fixed by then, whatever happens in the meantime. `make` does both.
"""

from __future__ import annotations

import hashlib
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import IO

from django.db import transaction

from playbooks.audit.proofs import inclusion_proofs
from playbooks.audit.scopes import Scope, Selection, select
from playbooks.audit.verifier import verifier_source
from playbooks.audit.writing import Actor, Entry, Subject, append, lock_stream
from playbooks.domain.canonical import canonical
from playbooks.domain.completeness import BUNDLE_FORMAT
from playbooks.domain.entries import parse_body
from playbooks.domain.profiles import Profile
from playbooks.domain.verbs import Verb
from playbooks.models import PlaybookVersion
from playbooks.models.audit import AuditCheckpoint, AuditEntry

FORMS = ("bundle", "jsonl")
EPOCH = (1980, 1, 1, 0, 0, 0)  # the time in every zip entry, so that equal content gives equal bytes
PROOFS_AT_ONCE = 200
PATIENCE = 30.0  # seconds to wait for a checkpoint
PAUSE = 0.2

README = """\
Evidence from the audit log of Countersign.

To check it you need Python 3.11 or newer and the verifier key of the log. Use a key that you were given
earlier, by another way than with this file (an administrator prints it with `manage.py audit_key`):

    python3 -I -S verify.py THIS_FILE.zip --key 'countersign-…+…+…'

It needs no network and nothing to install. The status is 0 when everything holds and 1 when anything does
not, with the entry and the reason. verify.py in here is for convenience: whoever distrusts it takes it from
the product's source, or writes their own from the formats below.

entries.jsonl   one entry a line: the exact bytes whose SHA-256(0x00 and line) is a leaf of the log; the
                last is the entry of this export
proofs.jsonl    for each line its place in the tree and its inclusion proof (RFC 9162)
checkpoint      the signed size and root of the tree (C2SP tlog-checkpoint)
manifest.json   scope, how far duties were segregated (profiles), streams with their last entries, digests of
                the other files; its own digest is in the last entry
versions/       the playbook versions that ran, by the SHA-256 of their canonical JSON (RFC 8785)
"""


class ExportError(Exception):
    """The export cannot be made now; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Export:
    """A recorded export. `files` are those with digests in the manifest; `closing` is the entry
    `export.made`.
    """

    selection: Selection
    manifest: bytes
    files: Mapping[str, bytes]
    closing: AuditEntry
    form: str  # "bundle" or "jsonl"


def pause() -> None:
    time.sleep(PAUSE)


def make(
    scope: Scope,
    file: IO[bytes],
    *,
    actor: Actor,
    now: datetime,
    form: str = "bundle",
    wait: Callable[[], object] = pause,
) -> Export:
    """Records and writes an export, outside any transaction. Raises ExportError."""
    with transaction.atomic():
        export = begin(scope, actor=actor, now=now, form=form)
    write(export, file, wait=wait)
    return export


def begin(scope: Scope, *, actor: Actor, now: datetime, form: str = "bundle") -> Export:
    """Records an export in the caller's transaction. Raises ExportError when there is nothing to export."""
    if scope.kind in {"case", "run"} and not lock_stream(scope.home):
        raise ExportError(f"The log has no entry about the {scope}.")
    selection = select(scope)
    digests, profiles = _said(selection) if form == "bundle" else (set(), set())
    files = _files(digests) if form == "bundle" else {}
    manifest = _manifest(selection, files, profiles)
    entry = Entry(
        stream=scope.home,
        verb=Verb.EXPORT_MADE,
        actor=actor,
        subject=Subject(scope.kind, scope.id or "log", str(scope)),
        occurred_at=now,
        facts={"scope": scope.as_json(), "format": form, "manifest": hashlib.sha256(manifest).hexdigest()},
    )
    closing = AuditEntry.objects.get(pk=append(entry)[0])
    return Export(selection, manifest, files, closing, form)


def write(export: Export, file: IO[bytes], *, wait: Callable[[], object] = pause) -> None:
    """Writes the file of a recorded export whose transaction has committed.

    A bundle waits for its checkpoint and calls `wait` between looks. Raises ExportError when none comes.
    """
    if export.form == "jsonl":
        for row in export.selection.rows():
            file.write(bytes(row.body.body) + b"\n")
        return
    checkpoint = _checkpoint_over(export.closing, wait)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        _put(archive, "manifest.json", iter([export.manifest]))
        _put(archive, "checkpoint", iter([checkpoint.note.encode()]))
        _put(archive, "entries.jsonl", (bytes(row.body.body) + b"\n" for row in _rows(export)))
        _put(archive, "proofs.jsonl", _proofs(export, checkpoint))
        for name, content in sorted(export.files.items()):
            _put(archive, name, iter([content]))


def _put(archive: zipfile.ZipFile, name: str, parts: Iterator[bytes]) -> None:
    member = zipfile.ZipInfo(name, EPOCH)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    member.create_system = 3
    with archive.open(member, "w", force_zip64=True) as target:
        for part in parts:
            target.write(part)


def _rows(export: Export) -> Iterator[AuditEntry]:
    yield from export.selection.rows()
    yield from AuditEntry.objects.filter(pk=export.closing.pk).select_related("stream", "body", "tree")


def _proofs(export: Export, checkpoint: AuditCheckpoint) -> Iterator[bytes]:
    rows = _rows(export)
    while some := list(islice(rows, PROOFS_AT_ONCE)):
        paths = inclusion_proofs([row.tree.index for row in some], checkpoint.size)
        for row, path in zip(some, paths, strict=True):
            yield canonical(_proof(row, path)) + b"\n"


def _proof(row: AuditEntry, path: tuple[bytes, ...]) -> dict[str, object]:
    return {
        "entry": f"{row.stream}#{row.stream_seq} ({row.verb})",
        "index": row.tree.index,
        "leaf": bytes(row.leaf).hex(),
        "path": [step.hex() for step in path],
    }


def _checkpoint_over(entry: AuditEntry, wait: Callable[[], object]) -> AuditCheckpoint:
    """The newest checkpoint, once there is one over the entry."""
    deadline = time.monotonic() + PATIENCE
    while not AuditEntry.objects.filter(pk=entry.pk, tree__isnull=False).exists():
        if time.monotonic() > deadline:
            raise ExportError(
                "No checkpoint was signed in time. Start `manage.py sequence`, then export again."
            )
        wait()
    # Leaves and the checkpoint over them are written in one transaction.
    return AuditCheckpoint.objects.order_by("-id")[0]


def _said(selection: Selection) -> tuple[set[str], set[str]]:
    """The digests of the versions from which the selected runs started, and the profiles under which was asked."""
    told = {Verb.RUN_STARTED.value: "version_digest", Verb.REQUEST_OPENED.value: "profile"}
    found: dict[str, set[str]] = {fact: set() for fact in told.values()}
    for row in (each for each in selection.rows() if each.verb in told):
        value = parse_body(bytes(row.body.body)).facts.get(told[row.verb])
        if isinstance(value, str):
            found[told[row.verb]].add(value)
    return found["version_digest"], found["profile"]


def _manifest(selection: Selection, files: Mapping[str, bytes], profiles: set[str]) -> bytes:
    streams = [
        {"kind": each.kind, "key": each.key, "seq": each.last_seq, "leaf": bytes(each.last_leaf).hex()}
        for each in selection.streams
    ]
    return canonical(
        {
            "format": BUNDLE_FORMAT,
            "scope": selection.scope.as_json(),
            "entries": selection.count(),
            "streams": streams,
            "range": selection.range,
            "tree_size": selection.tree_size,
            "profiles": {each: Profile(each).meaning for each in profiles},
            "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        }
    )


def _files(digests: set[str]) -> dict[str, bytes]:
    """README, verifier, and the playbook versions with these digests."""
    documents = PlaybookVersion.objects.filter(digest__in=digests).values_list("digest", "document")
    versions = {f"versions/{digest}.json": canonical(document) for digest, document in documents}
    return {"README.txt": README.encode(), "verify.py": verifier_source().encode(), **versions}
