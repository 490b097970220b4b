"""Second factors: how django-allauth keeps and checks them here."""

from __future__ import annotations

from typing import Any

from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.base import forms
from allauth.mfa.models import Authenticator
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import ValidationError

from playbooks.models import Principal, seal, unseal
from playbooks.web.lockout import is_locked_out

TEXT = "text"  # what the secret is called inside its seal


class Factors(DefaultMFAAdapter):  # type: ignore[misc]
    """Secrets are sealed with the key of the connections' secrets, which is not in the database."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": "This is not right, or it was used already. Wait for the next code and try again.",
        "cannot_generate_recovery_codes": "Set up an authenticator app or a passkey first.",
    }

    def encrypt(self, text: str) -> str:
        return seal({TEXT: text}).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return unseal(encrypted_text.encode())[TEXT]

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {**super().get_public_key_credential_rp_entity(), "name": "Countersign"}

    def generate_authenticator_name(self, user: Principal, type: Authenticator.Type) -> str:  # noqa: A002
        number = Authenticator.objects.filter(user_id=user.pk, type=type).count() + 1
        return f"Passkey {number}"


class Counted(forms.BaseAuthenticateForm):  # type: ignore[misc]
    """Codes that are guessed count like passwords that are guessed, and lock out like them."""

    def clean_code(self) -> str:
        if is_locked_out(context.request, self.user):
            self._tell_of_failure()
            raise ValidationError("Too many attempts.")
        code: str = super().clean_code()
        return code

    def _emit_authentication_failed(self, authenticator: Authenticator) -> None:
        super()._emit_authentication_failed(authenticator)
        self._tell_of_failure()

    def _tell_of_failure(self) -> None:
        credentials = {"username": self.user.username}
        user_login_failed.send(sender=__name__, credentials=credentials, request=context.request)


class AuthenticateForm(Counted, forms.AuthenticateForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].label = "Code"
        self.fields["code"].widget.attrs["autofocus"] = True


class ReauthenticateForm(Counted, forms.ReauthenticateForm):  # type: ignore[misc]
    """The same, for somebody who is signed in."""
