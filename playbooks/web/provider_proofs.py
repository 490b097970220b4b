"""A proof by a fresh sign-in at the identity provider: there and back, with what the provider says when that was.

django-allauth leads there and back, and web/openid.py verifies the token. Whoever is let through there without being
asked anew has proven nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.signals import pre_social_login
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.dispatch import receiver
from django.http import Http404, HttpRequest, HttpResponseBase
from django.views.decorators.http import require_POST

from playbooks.access import factors
from playbooks.domain.duties import Denial
from playbooks.domain.statuses import Verdict
from playbooks.domain.stepup import Need, Purpose, SignIn, need_of, need_of_decision
from playbooks.models import Principal
from playbooks.operations import stepup
from playbooks.operations.refusals import Missing, Refused
from playbooks.web.approvals import digest_of
from playbooks.web.callers import caller_of, person_of
from playbooks.web.refusing import refusal_of
from playbooks.web.single_sign_on import leaving
from playbooks.web.stepping_up import back_of, step_up_page

STATE = "step_up"
WRONG = Refused(
    Denial("not_stepped_up", "What the identity provider answered belongs to nothing here. Start again.")
)


@require_POST
@login_required
def at_provider(request: HttpRequest) -> HttpResponseBase:
    """Leads to the provider, which has to ask the person anew."""
    provider = request.POST.get("provider", "")
    if provider not in factors.accounts_of(person_of(request)):
        raise Http404("You have no account at this provider.")
    begun = stepup.begin(_need(request), caller=caller_of(request))
    answer: HttpResponseBase = (
        get_adapter(request)
        .get_provider(request, provider)
        .redirect(
            request,
            process=AuthProcess.REDIRECT,
            next_url=back_of(request),
            data={STATE: str(begun.pk)},
            auth_params={"prompt": "login", "max_age": "0", "nonce": stepup.nonce_for_provider(begun)},
        )
    )
    return leaving(answer, request, settings.OIDC["name"])


@receiver(pre_social_login, dispatch_uid="playbooks.proven_at_provider")
def take_sign_in(sender: type[SocialLogin], request: HttpRequest, **signal: Any) -> None:  # noqa: ARG001
    """Takes what the provider has said of the sign-in. Raises ImmediateHttpResponse with the page that says why it
    proves nothing.
    """
    login: SocialLogin = signal["sociallogin"]
    if login.state.get("process") != AuthProcess.REDIRECT:
        return
    row = (login.state.get("data") or {}).get(STATE)
    try:
        if not isinstance(request.user, Principal) or row is None:
            raise WRONG
        stepup.prove_by_provider(UUID(row), caller=caller_of(request), told=_told(login))
    except (Refused, Missing) as error:
        refused = error if isinstance(error, Refused) else WRONG
        page = step_up_page(request, need_of(Purpose.GRANT), refusal_of(request, refused))
        raise ImmediateHttpResponse(page) from error


def _told(login: SocialLogin) -> SignIn:
    claims: dict[str, Any] = login.account.extra_data.get("id_token") or {}
    at = claims.get("auth_time")
    signed_in_at = datetime.fromtimestamp(at, UTC) if isinstance(at, int) and at > 0 else None
    return SignIn(login.account.provider, str(login.account.uid), str(claims.get("nonce", "")), signed_in_at)


def _need(request: HttpRequest) -> Need:
    """What the form needs a proof for: exactly this decision, this break-glass, or anything for five minutes."""
    asked = request.GET.get("for", "")
    if asked == Purpose.DECISION:
        return need_of_decision(digest_of(request), Verdict.APPROVE.value, "bound")
    if asked in {Purpose.BREAK_GLASS, Purpose.SECOND}:
        return need_of(Purpose(asked), digest_of(request))
    return need_of(Purpose.TOKEN if asked == Purpose.TOKEN else Purpose.GRANT)
