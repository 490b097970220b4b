"""People, API tokens (never their text), and alert sources."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, QuerySet

from playbooks import access
from playbooks.models import Principal, Source, Token


@dataclass(frozen=True, slots=True)
class TokenView:
    """`owner` is a username or a source. `prefix` tells one token from another; the text was shown once."""

    id: UUID
    prefix: str
    owner: str
    is_of_source: bool
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class SourceView:
    id: UUID
    slug: str
    kind: str
    created_at: datetime
    alert_count: int
    last_alert_at: datetime | None


def people(person: Principal) -> QuerySet[Principal]:
    """The people and service accounts that the person may see, by username."""
    return access.visible(person, "see_people", Principal.objects.all()).order_by("username")


def tokens(person: Principal) -> QuerySet[Token]:
    """All tokens for who manages people, else the person's own, newest first."""
    rows = Token.objects.select_related("principal", "source").order_by("-created_at", "-pk")
    return rows if access.may(person, "manage_people") else rows.filter(principal=person)


def token_view(token: Token) -> TokenView:
    owner = token.principal.username if token.principal else str(token.source)
    return TokenView(
        id=token.pk,
        prefix=token.prefix,
        owner=owner,
        is_of_source=token.principal is None,
        scopes=tuple(token.scopes),
        created_at=token.created_at,
        expires_at=token.expires_at,
        revoked_at=token.revoked_at,
        last_used_at=token.last_used_at,
    )


def sources(person: Principal) -> QuerySet[Source]:
    """The alert sources, for who manages them, by slug, with `alert_count` and `last_alert_at`."""
    return _counted(access.visible(person, "manage_source", Source.objects.all()))


def source_view(source: Source) -> SourceView:
    figures: Any = source  # annotated by `sources`
    return SourceView(
        id=source.pk,
        slug=source.slug,
        kind=source.kind,
        created_at=source.created_at,
        alert_count=figures.alert_count,
        last_alert_at=figures.last_alert_at,
    )


def _counted(rows: QuerySet[Source]) -> QuerySet[Source]:
    return rows.annotate(alert_count=Count("alerts"), last_alert_at=Max("alerts__last_seen_at")).order_by(
        "slug"
    )
