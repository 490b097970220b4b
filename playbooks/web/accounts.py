"""Sign-in: nobody signs up by themselves, an administrator makes accounts."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from playbooks.models import Principal
from playbooks.operations import sessions
from playbooks.operations.caller import address_of


class ClosedAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 — the framework's signature
        return False

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Principal | None:
        """A deactivated account is answered like a wrong password; allauth would lead to a page about it."""
        person: Principal | None = super().authenticate(request, **credentials)
        return person if person is not None and person.is_active else None

    def respond_user_inactive(self, request: HttpRequest, user: Principal) -> HttpResponse:
        """The same after a passkey."""
        sessions.refuse(user.username, address=address_of(request.META))
        messages.error(request, "This did not work. Ask an administrator if it should have.")
        return redirect("account_login")
