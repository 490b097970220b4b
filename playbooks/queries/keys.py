"""How somebody signs in and by what else they call: sessions, second factors, outside identities, tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from playbooks import access
from playbooks.models import Principal, Session, Token


@dataclass(frozen=True, slots=True)
class SessionView:
    """`is_current` marks the session that asks; `browser` is the header as it came."""

    handle: UUID
    owner: str
    address: str | None
    browser: str
    signed_in_at: datetime | None
    last_seen_at: datetime
    is_current: bool


@dataclass(frozen=True, slots=True)
class FactorView:
    id: int
    name: str
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Factors:
    """`recovery_codes` is how many are left; None where there never were any."""

    passkeys: tuple[FactorView, ...]
    app: FactorView | None
    recovery_codes: int | None

    @property
    def is_any(self) -> bool:
        return bool(self.passkeys or self.app)


def sessions_of(person: Principal) -> QuerySet[Session]:
    """The sessions of the person that are in force, the latest first."""
    rows = Session.objects.filter(principal=person, expire_date__gt=timezone.now())
    return rows.select_related("principal").order_by("-last_seen_at", "handle")


def sessions(person: Principal) -> QuerySet[Session]:
    """All sessions in force for who manages people, else the person's own."""
    if not access.may(person, "manage_people"):
        return sessions_of(person)
    rows = Session.objects.filter(principal__isnull=False, expire_date__gt=timezone.now())
    return rows.select_related("principal")


def session_view(row: Session, *, current: UUID | None) -> SessionView:
    return SessionView(
        handle=row.handle,
        owner=row.principal.username if row.principal else "",
        address=row.address,
        browser=row.browser,
        signed_in_at=row.signed_in_at,
        last_seen_at=row.last_seen_at,
        is_current=row.handle == current,
    )


def factors_of(person: Principal) -> Factors:
    rows = list(Authenticator.objects.filter(user=person).order_by("created_at", "pk"))
    kinds = {each.type: each for each in rows}
    app, codes = kinds.get(Authenticator.Type.TOTP), kinds.get(Authenticator.Type.RECOVERY_CODES)
    return Factors(
        passkeys=tuple(_factor(each) for each in rows if each.type == Authenticator.Type.WEBAUTHN),
        app=_factor(app) if app else None,
        recovery_codes=len(codes.wrap().get_unused_codes()) if codes else None,
    )


def identities_of(person: Principal) -> list[tuple[str, str]]:
    """The outside identities of the person, as (provider, what it calls them)."""
    rows = SocialAccount.objects.filter(user=person).order_by("provider", "uid")
    return list(rows.values_list("provider", "uid"))


def tokens_of(person: Principal) -> QuerySet[Token]:
    """The tokens in force of the person and of the service accounts that they answer for, the newest first."""
    own = Q(principal=person) | Q(principal__owner=person)
    in_force = Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=timezone.now()))
    rows = Token.objects.filter(own & in_force).select_related("principal", "source")
    return rows.order_by("-created_at", "-pk")


def service_accounts_of(person: Principal) -> list[Principal]:
    return list(person.service_accounts.filter(is_active=True).order_by("username"))


def people(person: Principal) -> QuerySet[Principal]:
    """Every account, for who sees people, with `session_count` and `token_count`, by username."""
    now = timezone.now()
    in_force = Q(tokens__revoked_at=None) & (Q(tokens__expires_at=None) | Q(tokens__expires_at__gt=now))
    rows = access.visible(person, "see_people", Principal.objects.select_related("owner", "same_person_as"))
    return rows.annotate(
        session_count=Count("sessions", distinct=True, filter=Q(sessions__expire_date__gt=now)),
        token_count=Count("tokens", distinct=True, filter=in_force),
    ).order_by("username")


def further_accounts_of(person: Principal) -> Sequence[Principal]:
    """The other accounts of the same human."""
    first: Any = person.same_person_as_id or person.pk
    rows = Principal.objects.filter(Q(pk=first) | Q(same_person_as=first)).exclude(pk=person.pk)
    return list(rows.order_by("username"))


def _factor(row: Authenticator) -> FactorView:
    return FactorView(id=row.pk, name=str(row), created_at=row.created_at, last_used_at=row.last_used_at)
