"""How a new installation gets its first administrator: by a link that works once, and never by a default password."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from hmac import compare_digest

from django.db import transaction
from django.utils import timezone

from playbooks import audit
from playbooks.audit import Actor, Entry, Stream, Subject
from playbooks.domain.duties import Denial
from playbooks.domain.verbs import Verb
from playbooks.models import FirstAdministratorLink, Principal, PrincipalKind
from playbooks.operations import people
from playbooks.operations.caller import SYSTEM
from playbooks.operations.refusals import Missing, Refused

LIFETIME = timedelta(hours=24)
ROLE = "administrator"
HOLDER = Actor("one-time-link", "Who opened the one-time link")
SUBJECT = Subject("system", "first-administrator", "The first administrator")


def is_wanted() -> bool:
    """Whether no person exists, not even a deactivated one."""
    return not Principal.objects.filter(kind=PrincipalKind.PERSON).exists()


def offer() -> str:
    """The secret of a new link, returned once; an earlier link stops. Raises Refused when somebody exists."""
    secret = secrets.token_urlsafe(32)
    with transaction.atomic(durable=True):
        now = timezone.now()
        if not is_wanted():
            raise _too_late()
        FirstAdministratorLink.objects.update_or_create(
            pk=FirstAdministratorLink.ONLY,
            defaults={"digest": _digest(secret), "expires_at": now + LIFETIME},
        )
        audit.append(_entry(Verb.SETUP_OFFERED, SYSTEM, {"hours": LIFETIME // timedelta(hours=1)}))
    return secret


def is_in_force(secret: str) -> bool:
    """Whether the link would work now."""
    return _matches(FirstAdministratorLink.objects.first(), secret) and is_wanted()


def accept(secret: str, *, username: str, name: str, password: str, address: str | None) -> Principal:
    """The first administrator. Of two who use the link at once, one comes first and the other is refused.

    Raises Missing for a link that is not in force, and Invalid as `people.create` does.
    """
    with transaction.atomic(durable=True):
        link = FirstAdministratorLink.objects.select_for_update().first()
        if not _matches(link, secret) or not is_wanted():
            raise Missing("This link is not in force.")
        FirstAdministratorLink.objects.all().delete()
        person = people.create_within(
            username, actor=HOLDER, name=name, password=password, roles=[ROLE], now=timezone.now()
        )
        audit.append(_entry(Verb.SETUP_DONE, HOLDER, {"person": str(person.pk), "address": address}))
    return person


def refuse(*, address: str | None) -> None:
    """Records that somebody came with a link that is not in force."""
    with transaction.atomic(durable=True):
        audit.append(_entry(Verb.SETUP_REFUSED, HOLDER, {"address": address}, outcome="refused"))


def _matches(link: FirstAdministratorLink | None, secret: str) -> bool:
    return (
        link is not None and compare_digest(link.digest, _digest(secret)) and timezone.now() < link.expires_at
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _too_late() -> Refused:
    sentence = "There is somebody already. Their administrator makes further people: manage.py person."
    return Refused(Denial("not_the_first", sentence))


def _entry(verb: Verb, actor: Actor, facts: dict[str, object], *, outcome: str = "done") -> Entry:
    return Entry(
        stream=Stream("system", "first-administrator"),
        verb=verb,
        actor=actor,
        subject=SUBJECT,
        outcome=outcome,
        facts=facts,
        occurred_at=timezone.now(),
    )
