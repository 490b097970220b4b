"""Browsers that are signed in, and the one-time link by which a new installation gets its first administrator."""

from __future__ import annotations

from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models

from playbooks.models.people import Principal


class Session(AbstractBaseSession):
    """A browser's session, in place of `django_session`, so that a person's sessions are rows that can be listed.

    `handle` names it to people: the key itself is what the cookie holds, and is shown to nobody. Whoever has not signed
    in (yet) has a session without a principal.
    """

    handle = models.UUIDField(unique=True)
    principal = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="sessions")
    address = models.GenericIPAddressField(null=True)
    browser = models.CharField(max_length=200, blank=True)  # the header User-Agent, cut short
    signed_in_at = models.DateTimeField(null=True)
    last_seen_at = models.DateTimeField()

    class Meta(AbstractBaseSession.Meta):
        abstract = False
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.handle)


class FirstAdministratorLink(models.Model):
    """The link in force, at most one: its row has always the same key. Only its SHA-256 is kept."""

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY)
    digest = models.CharField(max_length=64)
    expires_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=models.Q(id=1), name="there_is_one_link_for_a_first_administrator"
            ),
        ]

    def __str__(self) -> str:
        return f"until {self.expires_at:%Y-%m-%d %H:%M}"
