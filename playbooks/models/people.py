"""Principals (people and service accounts), the roles that they hold, and API tokens."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import Group, PermissionsMixin, UserManager
from django.db import models
from django.utils import timezone

from playbooks.models.columns import identifier, is_one_of
from playbooks.models.lasting import InForceManager


class PrincipalKind(StrEnum):
    PERSON = "person"
    SERVICE = "service"


class Principal(AbstractBaseUser, PermissionsMixin):
    """Somebody or something that can sign in or hold a token. Deactivated, never deleted."""

    id = identifier()
    username = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=120)
    email = models.EmailField(blank=True)
    kind = models.CharField(max_length=10, default=PrincipalKind.PERSON.value)
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(default=timezone.now)
    # Of a service account: the person who answers for it. Its tokens stop when that person is deactivated.
    owner = models.ForeignKey("self", models.PROTECT, null=True, related_name="service_accounts")
    # Of a further account of somebody: their first one. Never a chain: see operations/identities.py.
    same_person_as = models.ForeignKey("self", models.PROTECT, null=True, related_name="further_accounts")
    groups = models.ManyToManyField(  # type: ignore[assignment]
        Group, through="Membership", through_fields=("principal", "group"), related_name="principals"
    )

    objects = UserManager["Principal"]()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        default_permissions = ()
        permissions = [
            ("see_people", "See people and roles"),
            ("manage_people", "Manage people, roles and tokens"),
        ]
        constraints = [
            is_one_of("kind", PrincipalKind, name="a_principal_is_a_person_or_a_service"),
            models.CheckConstraint(
                condition=models.Q(kind=PrincipalKind.SERVICE.value) ^ models.Q(owner__isnull=True),
                name="a_service_account_has_an_owner_and_a_person_has_none",
            ),
            models.CheckConstraint(
                condition=models.Q(same_person_as__isnull=True) | models.Q(kind=PrincipalKind.PERSON.value),
                name="only_a_person_has_further_accounts",
            ),
            models.CheckConstraint(
                condition=~models.Q(same_person_as=models.F("id")),
                name="an_account_is_no_further_account_of_itself",
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.username

    @property
    def is_person(self) -> bool:
        return self.kind == PrincipalKind.PERSON

    def get_full_name(self) -> str:
        return self.name


class Membership(models.Model):
    """Somebody holds a role (a Django group), since when and granted by whom; ended rows stay.

    `granted_by` is None where nobody of this installation gave it: the command line, or a directory.
    """

    principal = models.ForeignKey(Principal, models.PROTECT, related_name="memberships")
    group = models.ForeignKey(Group, models.PROTECT, related_name="memberships")
    granted_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    granted_at = models.DateTimeField()
    is_of_directory = models.BooleanField(default=False)  # a directory gave it, and may take it
    ended_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True)

    objects: ClassVar[InForceManager[Membership]] = InForceManager()
    history: ClassVar[models.Manager[Membership]] = models.Manager()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["principal", "group"],
                condition=models.Q(ended_at__isnull=True),
                name="a_principal_holds_a_role_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.principal} as {self.group}"


class Token(models.Model):
    """An API token of a principal or of an alert source. Only its SHA-256 is kept."""

    id = identifier()
    digest = models.CharField(max_length=64, unique=True)
    prefix = models.CharField(max_length=16)
    principal = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="tokens")
    source = models.ForeignKey("Source", models.PROTECT, null=True, related_name="tokens")
    scopes = models.JSONField(default=list)
    created_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=models.Q(principal__isnull=True) ^ models.Q(source__isnull=True),
                name="a_token_belongs_to_a_principal_or_to_a_source",
            )
        ]

    def __str__(self) -> str:
        return self.prefix
