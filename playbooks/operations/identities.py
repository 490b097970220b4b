"""Whose an account is: further accounts of one human, and the outside identities by which a person signs in.

The duty rules count humans, so this decides who may decide what: nobody says it of themselves.
"""

from __future__ import annotations

from uuid import UUID

from allauth.socialaccount.models import SocialAccount
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from playbooks import audit
from playbooks.access.identities import accounts_of
from playbooks.audit import Actor, Entry, Stream, Subject
from playbooks.domain.duties import Denial
from playbooks.domain.verbs import Verb
from playbooks.models import Principal, PrincipalKind
from playbooks.operations import stepup
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.refusals import Invalid, Missing, Refused
from playbooks.operations.rights import require_proof

OWN_IDENTITY = Denial("own_identity", "You may not say this of your own accounts. Ask another administrator.")


def link(account: Principal, to: Principal, *, caller: Caller | None) -> None:
    """Says that all accounts of the human of `account` are of the human of `to`. Without a caller it is the command
    line, that is, whoever runs the machine.

    Raises Refused without the permission or for accounts of the caller's own, Invalid for service accounts.
    """
    _authorize(caller, account, to)
    if not (account.is_person and to.is_person):
        raise Invalid(
            [("/same_person_as", "Only people have further accounts; a service account has an owner.")]
        )
    with transaction.atomic(durable=True):
        people = _locked()
        joining, first = (people[each].same_person_as_id or each for each in (account.pk, to.pk))
        if joining == first:
            raise Invalid([("/same_person_as", f"{account} and {to} are one person already.")])
        # Accounts that were linked to it follow, so that there is never a chain.
        Principal.objects.filter(Q(pk=joining) | Q(same_person_as=joining)).update(same_person_as=first)
        _note(Verb.IDENTITY_LINKED, account, caller, {"same_person_as": people[first].username})


def unlink(account: Principal, *, caller: Caller | None) -> None:
    """Says that `account` is somebody's only account. Raises Missing where it is no further one."""
    _authorize(caller, account)
    with transaction.atomic(durable=True):
        people = _locked()
        first = people[account.pk].same_person_as_id if account.pk in people else None
        if first is None:
            raise Missing(f"{account} is no further account of anybody.")
        Principal.objects.filter(pk=account.pk).update(same_person_as=None)
        _note(Verb.IDENTITY_UNLINKED, account, caller, {"same_person_as": people[first].username})


def provision(person: Principal, *, provider: str, subject: str, caller: Caller | None) -> None:
    """Lets the person sign in by an outside identity: `subject` is what the provider calls them, and never changes.

    Whoever signs in by it has all the rights of the person, so it takes a proof of the last five minutes, as giving a
    right does. Raises Refused, and Invalid where the identity is somebody's already, or for a service account.
    """
    _authorize(caller, person)
    if not person.is_person:
        raise Invalid([("/identity", "A service account never signs in; it has tokens.")])
    if not provider or not subject.strip():
        raise Invalid([("/identity", "Name the provider, and who they are there.")])
    with transaction.atomic(durable=True):
        proof = stepup.told(require_proof(caller)) if caller is not None else {}
        try:
            with transaction.atomic():
                SocialAccount.objects.create(user=person, provider=provider, uid=subject)
        except IntegrityError:
            raise Invalid([("/identity", f"{subject} of {provider} is somebody already.")]) from None
        facts = {"provider": provider, "subject": subject, **proof}
        _note(Verb.IDENTITY_LINKED, person, caller, facts)


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


def _locked() -> dict[UUID, Principal]:
    """Every person, locked: two links at once could make a chain, whichever two accounts each of them names."""
    rows = Principal.objects.select_for_update(no_key=True).filter(kind=PrincipalKind.PERSON)
    return {row.pk: row for row in rows.order_by("pk")}


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
