"""`manage.py doctor`: what is wrong with this installation, and how to mend it."""

from __future__ import annotations

from typing import Any

from django.core.checks import run_checks
from django.core.management.base import BaseCommand, CommandError

from playbooks.connectors import isolation
from playbooks.queries import break_glass
from playbooks.queries.health import health
from playbooks.queries.playbooks import published_with
from playbooks.queries.policy_quorums import has_policies, unfillable_policies
from playbooks.queries.quorums import unfillable_gates, unfillable_requests


class Command(BaseCommand):
    help = "Says what is wrong with this installation; exits with 1 when something is."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        complaints = [
            *(*_settings(), *_parts(), *_gates(), *_requests(), *_policies(), *_scripts()),
            *break_glass.complaints(),
        ]
        for complaint in complaints:
            self.stdout.write(f"- {complaint}")
        if complaints:
            raise CommandError(f"{len(complaints)} to mend.")
        self.stdout.write("All is well.")


def _settings() -> list[str]:
    return [
        f"{message.msg} {message.hint or ''}".strip()
        for message in run_checks(databases=["default"])
        if not message.is_silenced()
    ]


def _parts() -> list[str]:
    return [f"{check.name}: {check.detail}" for check in health().checks if not check.ok]


def _gates() -> list[str]:
    return [
        f"Nobody can open or answer {each.gate} of {each.playbook}: it needs somebody else with the role "
        f"{' and '.join(each.roles)}. Give it with manage.py person."
        for each in unfillable_gates()
    ]


NO_POLICY = (
    "No policy is in force, so nothing but the gates of playbooks asks anybody. Install the default set with "
    "manage.py default_policies, or write your own."
)


def _policies() -> list[str]:
    if not has_policies():
        return [NO_POLICY]
    return [
        f"Nobody can fill what the policy {each.policy} asks: it needs somebody else for the seat "
        f"{' and '.join(each.roles)}. Give roles with manage.py person, shifts and owners on their pages."
        for each in unfillable_policies()
    ]


def _requests() -> list[str]:
    return [
        f"An open request at {each.gate} of {each.playbook} can never be granted: nobody could take the seat "
        f"{' and '.join(each.roles)}. Give it to somebody who neither asked for it nor wrote it."
        for each in unfillable_requests()
    ]


def _scripts() -> list[str]:
    """Only where a playbook in force has one: everybody else can do without a sandbox."""
    scripted = published_with("script")
    why = isolation.unavailable() if scripted else ""
    return [f"The scripts of {', '.join(scripted)} cannot run here. {why}"] if why else []
