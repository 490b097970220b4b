"""`make demo-tamper`: exports a case, verifies it, changes one byte of one entry, and verifies it again."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from playbooks.audit.signing import load_signer
from playbooks.domain.statuses import RunStatus
from playbooks.models import Run

ENTRIES = "entries.jsonl"


class Command(BaseCommand):
    help = "Needs the demo to be running (make run), since only its sequencer signs checkpoints."

    def handle(self, *args: Any, **options: Any) -> None:
        run = Run.objects.filter(status=RunStatus.ROLLED_BACK).order_by("created_at").first()
        if run is None:
            raise CommandError("The demo is not loaded: start it with `make run` first.")
        with tempfile.TemporaryDirectory() as scratch:
            self._show(run, Path(scratch))

    def _show(self, run: Run, scratch: Path) -> None:
        honest, tampered, verifier = scratch / "export.zip", scratch / "tampered.zip", scratch / "verify.py"
        call_command(
            "audit_export", case=str(run.case_id), output=honest, format="bundle", stdout=self.stdout
        )
        with zipfile.ZipFile(honest) as archive:
            verifier.write_bytes(archive.read("verify.py"))
        self._verify(verifier, honest, "As it was exported", expected=0)
        before, after = _flip_one_byte(honest, tampered)
        self.stdout.write(f"\nOne byte of a decision is changed: …{before}… becomes …{after}…")
        self._verify(verifier, tampered, "After the change", expected=1)

    def _verify(self, verifier: Path, bundle: Path, title: str, *, expected: int) -> None:
        key = str(load_signer(settings.SOAR_HOME).key)
        command = [sys.executable, "-I", str(verifier), str(bundle), "--key", key]
        self.stdout.write(f"\n{title}: python verify.py {bundle.name} --key {key[:24]}…")
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        self.stdout.write(f"{(done.stdout + done.stderr).strip()}\n(exit status {done.returncode})")
        if done.returncode != expected:
            raise CommandError(f"The verifier should have ended with {expected}.")


def _flip_one_byte(honest: Path, tampered: Path) -> tuple[str, str]:
    """Copies the bundle with one letter of a recorded verdict changed; what stands there before and after."""
    with zipfile.ZipFile(honest) as source, zipfile.ZipFile(tampered, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == ENTRIES:
                content = content.replace(b'"verdict":"approve"', b'"verdict":"bpprove"', 1)
            target.writestr(name, content)
    return '"approve"', '"bpprove"'
