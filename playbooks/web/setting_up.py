"""The one-time link by which a new installation gets its first administrator."""

from __future__ import annotations

from http import HTTPStatus

from django import forms
from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from playbooks.models import Principal
from playbooks.operations import first_administrator
from playbooks.operations.caller import address_of
from playbooks.operations.refusals import Invalid, Missing


class First(forms.Form):
    """Who the first administrator is."""

    username = forms.SlugField(
        max_length=64,
        help_text="To sign in with, such as ada.",
        widget=forms.TextInput(attrs={"autofocus": True}),
    )
    name = forms.CharField(max_length=120, help_text="As others read it, such as Ada Novak.")
    password = forms.CharField(
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters.",
    )

    def clean(self) -> dict[str, str]:
        """The password, judged together with the names that it should not be like."""
        given: dict[str, str] = super().clean() or {}
        about = Principal(username=given.get("username", ""), name=given.get("name", ""))
        try:
            validate_password(given.get("password", ""), about)
        except ValidationError as error:
            self.add_error("password", error)
        return given


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def first(request: HttpRequest, secret: str) -> HttpResponse:
    """The form, as long as the link is in force; who completes it is signed in."""
    if not first_administrator.is_in_force(secret):
        return _too_late(request)
    form = First(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            person = first_administrator.accept(secret, address=address_of(request.META), **form.cleaned_data)
        except Missing:
            return _too_late(request)
        except Invalid as error:
            form.add_error("username", str(error))
        else:
            login(request, person, backend=settings.OWN_BACKEND)
            return redirect("keys")
    return render(request, "first_administrator.html", {"form": form})


def _too_late(request: HttpRequest) -> HttpResponse:
    first_administrator.refuse(address=address_of(request.META))
    context = {"is_wanted": first_administrator.is_wanted()}
    return render(request, "first_administrator_over.html", context, status=HTTPStatus.NOT_FOUND)
