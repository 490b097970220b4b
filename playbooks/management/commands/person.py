"""`manage.py person USERNAME --name … --role …`: makes a person, or changes what one who is there may do."""

from __future__ import annotations

import getpass
import sys
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from playbooks.domain.roles import ROLES
from playbooks.models import Principal
from playbooks.operations import people
from playbooks.operations.caller import SYSTEM
from playbooks.operations.refusals import Invalid, Missing


class Command(BaseCommand):
    help = (
        "Makes a person with roles, or gives and takes roles of one who is there. The password of a new one is asked "
        "for, or read as one line from standard input."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", default="", help="as people read it")
        parser.add_argument("--email", help="where notices by mail go; empty for nowhere")
        parser.add_argument("--role", action="append", default=[], choices=sorted(ROLES), help="to give")
        parser.add_argument("--take", action="append", default=[], choices=sorted(ROLES), help="to take away")
        parser.add_argument("--deactivate", action="store_true", help="ends all access, by tokens too")

    def handle(self, *args: Any, **options: Any) -> None:
        username = options["username"]
        person = Principal.objects.filter(username=username).first()
        if person is not None:
            _change(person, options)
            self.stdout.write(_described(person))
            return
        if options["take"] or options["deactivate"]:
            raise CommandError(f"There is nobody called {username}.")
        password = _password()
        name = options["name"] or username
        made = people.create(username, actor=SYSTEM, name=name, password=password, roles=options["role"])
        _set_email(made, options["email"])
        self.stdout.write(f"{name} can sign in as {username}.")


def _change(person: Principal, options: dict[str, Any]) -> None:
    for role in options["role"]:
        people.grant(person, role, actor=SYSTEM, granted_by=None)
    try:
        for role in options["take"]:
            people.revoke(person, role, actor=SYSTEM)
    except Missing as error:
        raise CommandError(str(error)) from error
    _set_email(person, options["email"])
    if options["deactivate"]:
        people.deactivate(person, actor=SYSTEM)


def _set_email(person: Principal, email: str | None) -> None:
    if email is None:
        return
    try:
        people.set_email(person, email, actor=SYSTEM)
    except Invalid as error:
        raise CommandError(str(error)) from error


def _described(person: Principal) -> str:
    person.refresh_from_db()
    if not person.is_active:
        return f"{person} is deactivated: no sign-in, no token and no approval of theirs counts any more."
    roles = ", ".join(person.memberships.order_by("group__name").values_list("group__name", flat=True))
    return f"{person} has the roles {roles}." if roles else f"{person} has no role."


def _password() -> str:
    password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    try:
        validate_password(password)
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error
    return password
