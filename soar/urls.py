"""Every address of the product."""

from allauth.account import views as accounts
from allauth.mfa.base import views as factors
from allauth.mfa.recovery_codes import views as recovery
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as passkeys
from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from playbooks.web import keys
from playbooks.web.single_sign_on import confirmed

# django-allauth's own pages, one by one: nothing of it is reachable that is not listed here.
SIGN_IN: list[URLPattern | URLResolver] = [
    path("login/", accounts.login, name="account_login"),
    path("logout/", accounts.logout, name="account_logout"),
    path("reauthenticate/", accounts.reauthenticate, name="account_reauthenticate"),
    path("password/", keys.change_password, name="account_change_password"),
    path("code/", factors.authenticate, name="mfa_authenticate"),
    path("code/again/", factors.reauthenticate, name="mfa_reauthenticate"),
    path("app/", confirmed(totp.activate_totp), name="mfa_activate_totp"),
    path("app/remove/", confirmed(totp.deactivate_totp), name="mfa_deactivate_totp"),
    path("recovery-codes/", recovery.view_recovery_codes, name="mfa_view_recovery_codes"),
    path(
        "recovery-codes/new/", confirmed(recovery.generate_recovery_codes), name="mfa_generate_recovery_codes"
    ),
    path("passkeys/login/", passkeys.login_webauthn, name="mfa_login_webauthn"),
    path("passkeys/again/", passkeys.reauthenticate_webauthn, name="mfa_reauthenticate_webauthn"),
    path("passkeys/add/", confirmed(passkeys.add_webauthn), name="mfa_add_webauthn"),
    path("passkeys/<int:pk>/remove/", confirmed(passkeys.remove_webauthn), name="mfa_remove_webauthn"),
    # Where allauth goes back to: our own page has them all.
    path("factors/", RedirectView.as_view(pattern_name="keys"), name="mfa_index"),
    path("passkeys/", RedirectView.as_view(pattern_name="keys"), name="mfa_list_webauthn"),
]

if settings.OIDC_ISSUER:
    from playbooks.web import openid

    SIGN_IN += [
        path("oidc/<slug:provider_id>/", openid.login, name="openid_connect_login"),
        path("oidc/<slug:provider_id>/callback/", openid.callback, name="openid_connect_callback"),
    ]

if settings.SAML_ISSUER:
    from playbooks.web import saml

    SIGN_IN += [
        path("saml/", saml.login, name="saml_login"),
        path("saml/acs/", saml.take_answer, name="saml_acs"),
        path("saml/acs/finish/", saml.finish, name="saml_finish_acs"),
        path("saml/metadata/", saml.metadata, name="saml_metadata"),
    ]

urlpatterns: list[URLPattern | URLResolver] = [
    path("accounts/", include(SIGN_IN)),
    path("api/v1/", include("playbooks.api.urls")),
    path("", include("playbooks.web.urls")),
]

handler400 = "playbooks.web.errors.bad_request"
handler403 = "playbooks.web.errors.forbidden"
handler404 = "playbooks.web.errors.not_found"
handler500 = "playbooks.web.errors.server_error"
