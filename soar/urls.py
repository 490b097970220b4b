"""Every address of the product."""

from allauth.account import views as accounts
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("accounts/login/", accounts.login, name="account_login"),
    path("accounts/logout/", accounts.logout, name="account_logout"),
    path("api/v1/", include("playbooks.api.urls")),
    path("", include("playbooks.web.urls")),
]

handler400 = "playbooks.web.errors.bad_request"
handler403 = "playbooks.web.errors.forbidden"
handler404 = "playbooks.web.errors.not_found"
handler500 = "playbooks.web.errors.server_error"
