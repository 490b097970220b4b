"""Evidence bundles in the hands of somebody outside: verified with their own verify.py, and tampered with."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LISTS = ("entries.jsonl", "proofs.jsonl")
Files = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Verdict:
    status: int
    said: str


def verify(bundle: Path, *, key: str) -> Verdict:
    """What the verifier that comes with an honest bundle says about this one, in an isolated interpreter."""
    verifier = bundle.parent / "verify.py"
    if not verifier.exists():
        verifier.write_bytes(unpack(bundle)["verify.py"])
    command = [sys.executable, "-I", str(verifier), str(bundle), "--key", key]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert not done.stderr, done.stderr
    return Verdict(done.returncode, done.stdout)


def unpack(bundle: Path) -> Files:
    with zipfile.ZipFile(bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def tampered(bundle: Path, name: str, change: Callable[[Files, int], Files], at: int) -> Path:
    """A copy beside the bundle, changed at the entry in this line (from 0)."""
    path = bundle.with_name(f"{name}.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, content in change(unpack(bundle), at).items():
            archive.writestr(each, content)
    return path


def names(files: Files) -> list[str]:
    """How entries are called in any sentence: stream#number, in the order of the bundle."""
    return [json.loads(line)["entry"].split()[0] for line in files["proofs.jsonl"].splitlines()]


def place_of(files: Files, verb: str) -> int:
    """The line (from 0) of the first entry with this verb."""
    lines = files["entries.jsonl"].splitlines()
    return next(at for at, line in enumerate(lines) if json.loads(line)["verb"] == verb)


def change_a_byte(files: Files, at: int) -> Files:
    """One letter of the recorded verdict is another."""
    lines = files["entries.jsonl"].splitlines(keepends=True)
    lines[at] = lines[at].replace(b'"verdict":"approve"', b'"verdict":"bpprove"', 1)
    return {**files, "entries.jsonl": b"".join(lines)}


def leave_out(files: Files, at: int) -> Files:
    """Without an entry and its proof."""
    changed = dict(files)
    for name in LISTS:
        lines = files[name].splitlines(keepends=True)
        changed[name] = b"".join(lines[:at] + lines[at + 1 :])
    return changed


def leave_out_and_count_again(files: Files, at: int) -> Files:
    """Without an entry, and with a manifest that agrees."""
    changed = leave_out(files, at)
    manifest: dict[str, Any] = json.loads(files["manifest.json"])
    manifest["entries"] -= 1
    return {**changed, "manifest.json": json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()}
