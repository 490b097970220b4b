"""`manage.py audit_key`: the verifier key to hand to auditors."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from playbooks.audit.signing import SigningKeyError, load_signer


class Command(BaseCommand):
    help = "Prints the verifier key of the audit log, in the last line. Whoever verifies should keep it."

    def handle(self, *_args: Any, **_options: Any) -> None:
        try:
            key = load_signer(settings.SOAR_HOME).key
        except SigningKeyError as error:
            raise CommandError(str(error)) from error
        self.stdout.write("Give this key to auditors now, by another way than with the exports:")
        self.stdout.write(str(key))
