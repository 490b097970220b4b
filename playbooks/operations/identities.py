"""Whose an account is: further accounts of one human, and the outside identities by which a person signs in.

The duty rules count humans, so this decides who may decide what: nobody says it of themselves.
"""

from __future__ import annotations

from allauth.socialaccount.models import SocialAccount
from django.db import IntegrityError, transaction
from django.utils import timezone

from playbooks import audit
from playbooks.access.identities import accounts_of
from playbooks.audit import Actor, Entry, Stream, Subject
from playbooks.domain.duties import Denial
from playbooks.domain.verbs import Verb
from playbooks.models import Principal
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.refusals import Invalid, Missing, Refused

OWN_IDENTITY = Denial("own_identity", "You may not say this of your own accounts. Ask another administrator.")


def link(account: Principal, to: Principal, *, caller: Caller | None) -> None:
    """Says that `account` is a further account of the human whose account `to` is. Without a caller it is the command
    line, that is, whoever runs the machine.

    Raises Refused without the permission or for accounts of the caller's own, Invalid for service accounts.
    """
    _authorize(caller, account, to)
    with transaction.atomic(durable=True):
        account, to = _locked(account, to)
        first = to.same_person_as or to
        if not (account.is_person and first.is_person):
            raise Invalid(
                [("/same_person_as", "Only people have further accounts; a service account has an owner.")]
            )
        if first in {account, account.same_person_as}:
            raise Invalid([("/same_person_as", f"{account} and {to} are one person already.")])
        # Accounts that were linked to this one follow it, so that there is never a chain.
        Principal.objects.filter(same_person_as=account).update(same_person_as=first)
        Principal.objects.filter(pk=account.pk).update(same_person_as=first)
        _note(Verb.IDENTITY_LINKED, account, caller, {"same_person_as": first.username})


def unlink(account: Principal, *, caller: Caller | None) -> None:
    """Says that `account` is somebody's only account, as before it was linked."""
    _authorize(caller, account)
    with transaction.atomic(durable=True):
        (account,) = _locked(account)
        if account.same_person_as is None:
            raise Missing(f"{account} is no further account of anybody.")
        Principal.objects.filter(pk=account.pk).update(same_person_as=None)
        _note(Verb.IDENTITY_UNLINKED, account, caller, {"same_person_as": account.same_person_as.username})


def provision(person: Principal, *, provider: str, subject: str, caller: Caller | None) -> None:
    """Lets the person sign in by an outside identity: `subject` is what the provider calls them, and never changes.

    Raises Invalid where the identity is somebody's already, or for a service account.
    """
    _authorize(caller, person)
    if not person.is_person:
        raise Invalid([("/identity", "A service account never signs in; it has tokens.")])
    if not provider or not subject.strip():
        raise Invalid([("/identity", "Name the provider, and who they are there.")])
    with transaction.atomic(durable=True):
        try:
            with transaction.atomic():
                SocialAccount.objects.create(user=person, provider=provider, uid=subject)
        except IntegrityError:
            raise Invalid([("/identity", f"{subject} of {provider} is somebody already.")]) from None
        _note(Verb.IDENTITY_LINKED, person, caller, {"provider": provider, "subject": subject})


def withdraw(person: Principal, *, provider: str, subject: str, caller: Caller | None) -> None:
    """Takes an outside identity from the person. Raises Missing where they do not have it."""
    _authorize(caller, person)
    with transaction.atomic(durable=True):
        deleted, _ = SocialAccount.objects.filter(user=person, provider=provider, uid=subject).delete()
        if not deleted:
            raise Missing(f"{person} is not {subject} of {provider}.")
        _note(Verb.IDENTITY_UNLINKED, person, caller, {"provider": provider, "subject": subject})


def _authorize(caller: Caller | None, *accounts: Principal) -> None:
    if caller is None:
        return
    caller.require("manage_people", "say whose an account is")
    own = accounts_of([caller.principal.pk])[caller.principal.pk]
    if any(each.pk in own for each in accounts):
        raise Refused(OWN_IDENTITY)


def _locked(*accounts: Principal) -> tuple[Principal, ...]:
    """The rows, locked, all in the same order."""
    keys = [each.pk for each in accounts]
    rows = Principal.objects.select_for_update().filter(pk__in=keys).order_by("pk")
    found = {row.pk: row for row in rows}
    return tuple(found[key] for key in keys)


def _note(verb: Verb, account: Principal, caller: Caller | None, facts: dict[str, object]) -> None:
    actor: Actor = caller.actor if caller else SYSTEM
    audit.append(
        Entry(
            stream=Stream("person", str(account.pk)),
            verb=verb,
            actor=actor,
            subject=Subject("person", str(account.pk), str(account)),
            outcome="done",
            facts=facts,
            occurred_at=timezone.now(),
        )
    )
