"""API tokens: people make their own, and those of the service accounts that they answer for. Nobody makes another's."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from playbooks import access, audit
from playbooks.domain.duties import Denial
from playbooks.domain.stepup import Purpose, need_of
from playbooks.domain.verbs import Verb
from playbooks.models import Principal, Token
from playbooks.operations import people, stepup
from playbooks.operations.caller import Caller
from playbooks.operations.refusals import Invalid, Missing, Refused

LONGEST = 365  # days
SESSION_ONLY = Denial("session_only", "No token may do this. Sign in and use the session.")
FOR_ANOTHER = Denial(
    "token_for_another",
    "People make their own tokens. You may make one for yourself, and for a service account that you answer for.",
)
REVOKED = Denial("token_revoked", "This token was taken out of force already.")


def issue(
    caller: Caller, *, scopes: Sequence[str], days: int, owner: Principal | None = None
) -> tuple[Token, str]:
    """A new token of the caller's, or of the service account `owner`, and its text, which is told only here.

    It takes a proof of the last five minutes. Raises Refused, and Invalid for scopes and days that cannot be.
    """
    caller.require("see_people", "make tokens")
    owner = owner or caller.principal
    if caller.token is not None:
        raise Refused(SESSION_ONLY)
    if not _may_issue(caller, owner):
        raise Refused(FOR_ANOTHER)
    if not 1 <= days <= LONGEST:
        raise Invalid([("/days", f"A token is good for 1 to {LONGEST} days.")])
    proof = stepup.require(need_of(Purpose.TOKEN), caller=caller)
    text = people.issue_token(
        owner, actor=caller.actor, scopes=scopes, days=days, created_by=caller.principal, proof=proof
    )
    return Token.objects.select_related("principal").get(digest=people.token_digest(text)), text


def revoke(token: UUID, *, caller: Caller) -> Token:
    """Takes a token out of force: one's own, of a service account of one's own, or any for who manages people.

    Raises Missing for one that the caller may not know of.
    """
    with transaction.atomic(durable=True):
        row = Token.objects.select_for_update(of=("self",)).filter(pk=token).first()
        if row is None or not _may_revoke(caller, row):
            raise Missing(f"There is no token {token}.")
        if row.revoked_at is not None:
            raise Refused(REVOKED)
        row.revoked_at = timezone.now()
        row.save(update_fields=["revoked_at"])
        audit.append(people.token_entry(row, Verb.TOKEN_REVOKED, caller.actor, row.revoked_at, {}))
    return row


def _may_issue(caller: Caller, owner: Principal) -> bool:
    if owner == caller.principal:
        return True
    if owner.is_person:
        return False
    return owner.owner == caller.principal or access.may(caller.principal, "manage_people")


def _may_revoke(caller: Caller, token: Token) -> bool:
    owner = token.principal
    if owner is not None and caller.principal in (owner, owner.owner):
        return True
    return access.may(caller.principal, "manage_people")
