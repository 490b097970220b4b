"""`manage.py audit_verify`: checks the live audit log; exit status 1 and the entries when something does
not hold.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from playbooks.audit.signing import SigningKeyError, load_signer
from playbooks.audit.verification import problems
from playbooks.domain.notes import Checkpoint, NoteError, VerifierKey, open_checkpoint
from playbooks.domain.verify import printable, read_key


class Command(BaseCommand):
    help = (
        "Checks columns, bodies, chains, tree and checkpoints of the audit log; names each entry that fails."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--key", help="the verifier key or its file; default: this installation's own")
        parser.add_argument(
            "--earlier", type=Path, help="a checkpoint that was kept: the log must continue it"
        )

    def handle(self, *_args: Any, key: str | None, earlier: Path | None, **_options: Any) -> None:
        try:
            verifier = read_key(key) if key else load_signer(settings.SOAR_HOME).key
            kept = _kept(earlier, verifier)
        except (NoteError, SigningKeyError, OSError) as error:
            raise CommandError(str(error)) from error
        with transaction.atomic():
            found = [str(problem) for problem in problems(verifier, earlier=kept)]
        for problem in found:
            self.stdout.write(printable(problem))
        if found:
            self.stdout.write(f"{len(found)} problems: the log was changed.")
            sys.exit(1)
        self.stdout.write("Everything holds: columns, bodies, chains, tree and checkpoints.")


def _kept(earlier: Path | None, key: VerifierKey) -> Checkpoint | None:
    return None if earlier is None else open_checkpoint(earlier.read_bytes(), key)
