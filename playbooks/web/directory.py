"""Sign-in with the password of an LDAP directory, for people whom an administrator has linked to an entry of it.

The directory says whether a password is right, and nothing else: it makes nobody, gives no right, and is not asked
about anybody who has a password here. Who is looked for is what the administrator has linked, never what was typed.
Imported only where a directory is configured: it needs the extra `ldap`.
"""

from __future__ import annotations

import logging
import secrets
from typing import Any

import ldap
import ldap.filter
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from playbooks.models import Principal

logger = logging.getLogger(__name__)

PROVIDER = "ldap"
PATIENCE = 5  # seconds
# How servers say no to a name and a password.
NO = (
    ldap.INVALID_CREDENTIALS,
    ldap.INAPPROPRIATE_AUTH,
    ldap.NO_SUCH_OBJECT,
    ldap.UNWILLING_TO_PERFORM,
    ldap.CONSTRAINT_VIOLATION,
)
SILENT = (
    "The directory cannot be asked just now. Whoever has a password here can sign in; tell an administrator."
)


class Directory(ModelBackend):
    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **credentials: Any,  # noqa: ARG002 — the framework's signature
    ) -> Principal | None:
        """The person whose password the directory knows, or None."""
        if not username or not password:
            return None  # a server takes an empty password for nobody's, and says that all is well
        person, entry = _linked(username)
        try:
            return person if _is_right(entry, password) else None
        except ldap.LDAPError as error:
            logger.error("The directory cannot be asked: %s", _described(error))
            if request is not None:
                messages.error(request, SILENT, fail_silently=True)
            return None


def _linked(username: str) -> tuple[Principal | None, str | None]:
    """Who bears the name and has no other password, with their name in the directory; or nobody."""
    person = Principal.objects.filter(username__iexact=username, is_active=True).first()
    if person is None or not person.is_person or person.has_usable_password():
        return None, None
    linked = SocialAccount.objects.filter(user=person, provider=PROVIDER).order_by("pk").first()
    return (person, linked.uid) if linked else (None, None)


def _is_right(name: str | None, password: str) -> bool:
    """Whether the one entry of that name has the password. For nobody the same is asked in vain, so that neither its
    time nor its failing tells who is linked. Raises LDAPError where the directory does not answer.
    """
    connection = _connected()
    try:
        connection.simple_bind_s(settings.LDAP_BIND_DN, settings.LDAP_BIND_PASSWORD)
        found = _entries(connection, name or secrets.token_hex())
        is_known = name is not None and len(found) == 1
        nobody = f"cn={secrets.token_hex()},{settings.LDAP_BASE}"
        return _takes(connection, found[0] if is_known else nobody, password) and is_known
    finally:
        connection.unbind_s()


def _connected() -> Any:
    """A line to the directory that nobody else reads."""
    connection = ldap.initialize(settings.LDAP_URI)
    connection.set_option(ldap.OPT_REFERRALS, 0)
    connection.set_option(ldap.OPT_NETWORK_TIMEOUT, PATIENCE)
    connection.set_option(ldap.OPT_TIMEOUT, PATIENCE)
    connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
    if settings.LDAP_CA_FILE:
        connection.set_option(ldap.OPT_X_TLS_CACERTFILE, settings.LDAP_CA_FILE)
    connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)  # what was set before holds from here on
    if settings.LDAP_STARTS_TLS:
        connection.start_tls_s()
    return connection


def _entries(connection: Any, name: str) -> list[str]:
    """The distinguished names of the entries that bear the name."""
    wanted = settings.LDAP_FILTER % {"user": ldap.filter.escape_filter_chars(name)}
    found = connection.search_s(settings.LDAP_BASE, ldap.SCOPE_SUBTREE, wanted, ["1.1"])
    return [entry for entry, _ in found if entry]  # a referral has none


def _takes(connection: Any, entry: str, password: str) -> bool:
    try:
        connection.simple_bind_s(entry, password)
    except NO:
        return False
    return True


def _described(error: ldap.LDAPError) -> str:
    """What went wrong, without anything that was sent."""
    about = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    return f"{type(error).__name__} {about.get('desc', '')} {about.get('info', '')}".strip()
