"""The pages for what went wrong. They need neither a person nor the database."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    return HttpResponse(_page("400.html"), status=400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    """The sentence of the refusal, where it has one."""
    return HttpResponse(_page("403.html", exception=str(exception)), status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    return HttpResponse(_page("404.html"), status=404)


def server_error(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    return HttpResponse(_page("500.html"), status=500)


def _page(template: str, **context: str) -> str:
    return render_to_string(template, {"demo": settings.DEMO, **context})
