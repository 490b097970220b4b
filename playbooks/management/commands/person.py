"""`manage.py person USERNAME --name … --role …`: makes a person, or gives roles to one who is there."""

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


class Command(BaseCommand):
    help = "Makes a person with roles. The password is asked for, or read as one line from standard input."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", default="", help="as people read it")
        parser.add_argument("--role", action="append", default=[], choices=sorted(ROLES))

    def handle(self, *args: Any, **options: Any) -> None:
        username = options["username"]
        person = Principal.objects.filter(username=username).first()
        if person is not None:
            for role in options["role"]:
                people.grant(person, role, actor=SYSTEM, granted_by=None)
            self.stdout.write(f"{person} now has the roles {', '.join(options['role']) or 'as before'}.")
            return
        password = _password()
        name = options["name"] or username
        people.create(username, actor=SYSTEM, name=name, password=password, roles=options["role"])
        self.stdout.write(f"{name} can sign in as {username}.")


def _password() -> str:
    password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    try:
        validate_password(password)
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error
    return password
