"""`manage.py default_policies`: puts the policies in force that ship with the product."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from playbooks.management import default_policies


class Command(BaseCommand):
    help = "Installs the policies of the default set that are not there yet; what is there stays as it is."

    def handle(self, *args: Any, **options: Any) -> None:
        for version in default_policies.install():
            self.stdout.write(
                f"{version.policy.slug} is installed: version {version.number}, {version.status}."
            )
