"""The demo's switch between people. It exists only where the demo was asked for; elsewhere the address is unknown."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from playbooks.models import Principal, PrincipalKind


def demo_only(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """404 unless this is a demo."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        if not settings.DEMO:
            raise Http404("This exists in the demo only.")
        return view(request)

    return guarded


@require_POST
@demo_only
@login_required
def become(request: HttpRequest) -> HttpResponse:
    """Signs in as another of the demo's people, and returns to the page that was open."""
    people = Principal.objects.filter(is_active=True, kind=PrincipalKind.PERSON)
    person = get_object_or_404(people, username=request.POST.get("username", ""))
    login(request, person, backend=settings.OWN_BACKEND)
    back = request.POST.get("back", "")
    is_ours = url_has_allowed_host_and_scheme(back, allowed_hosts=None) and back.startswith("/")
    return redirect(back if is_ours else "inbox")
