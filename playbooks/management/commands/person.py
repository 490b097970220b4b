"""`manage.py person USERNAME --name … --role …`: makes a person, or changes what one who is there may do."""

from __future__ import annotations

import getpass
import sys
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from playbooks.domain.roles import ROLES
from playbooks.models import Principal, PrincipalKind
from playbooks.operations import identities, people
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
        parser.add_argument("--identity", action="append", default=[], metavar="PROVIDER:SUBJECT")
        parser.add_argument("--take-identity", action="append", default=[], metavar="PROVIDER:SUBJECT")
        parser.add_argument("--same-person-as", metavar="USERNAME", help="a further account of this person")
        parser.add_argument("--own-person", action="store_true", help="nobody's further account any more")
        parser.add_argument(
            "--service-of", metavar="USERNAME", help="a new service account, and who answers for it"
        )
        parser.add_argument("--no-password", action="store_true", help="signs in by other means only")
        parser.add_argument("--deactivate", action="store_true", help="ends all access, by tokens too")

    def handle(self, *args: Any, **options: Any) -> None:
        username = options["username"]
        person = Principal.objects.filter(username=username).first()
        if person is not None:
            _change(person, options)
            self.stdout.write(_described(person))
            return
        if any(options[each] for each in ("take", "deactivate", "take_identity", "own_person")):
            raise CommandError(f"There is nobody called {username}.")
        person = _create(username, options)
        _set_email(person, options["email"])
        _link(person, options)
        self.stdout.write(f"{person} is there, as {username}.")


def _create(username: str, options: dict[str, Any]) -> Principal:
    owner = _named(options["service_of"])
    try:
        return people.create(
            username,
            actor=SYSTEM,
            name=options["name"] or username,
            password=None if owner or options["no_password"] else _password(),
            roles=options["role"],
            kind=PrincipalKind.SERVICE if owner else PrincipalKind.PERSON,
            owner=owner,
        )
    except Invalid as error:
        raise CommandError(str(error)) from error


def _link(person: Principal, options: dict[str, Any]) -> None:
    """Whose account it is, and by which outside identities they sign in."""
    first = _named(options["same_person_as"])
    try:
        if first is not None:
            identities.link(person, first, caller=None)
        if options["own_person"]:
            identities.unlink(person, caller=None)
        for change, given in (
            (identities.provision, options["identity"]),
            (identities.withdraw, options["take_identity"]),
        ):
            for each in given:
                provider, _, subject = each.partition(":")
                change(person, provider=provider, subject=subject, caller=None)
    except (Invalid, Missing) as error:
        raise CommandError(str(error)) from error


def _named(username: str | None) -> Principal | None:
    if username is None:
        return None
    found = Principal.objects.filter(username=username).first()
    if found is None:
        raise CommandError(f"There is nobody called {username}.")
    return found


def _change(person: Principal, options: dict[str, Any]) -> None:
    _link(person, options)
    for role in options["role"]:
        people.grant(person, role, actor=SYSTEM, granted_by=None)
    try:
        for role in options["take"]:
            people.revoke(person, role, actor=SYSTEM)
    except Missing as error:
        raise CommandError(str(error)) from error
    _set_email(person, options["email"])
    if options["no_password"]:
        people.take_password(person, actor=SYSTEM)
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
