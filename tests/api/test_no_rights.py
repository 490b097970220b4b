"""Closed by default: every address and method refuses whoever has no right. A new one needs its row here."""

from __future__ import annotations

import re
from uuid import UUID

import pytest

from playbooks.api import urls
from playbooks.models import Principal
from tests.api.callers import BASE, Api, nobody, session
from tests.cast import Cast

METHODS = ("get", "post", "put", "patch", "delete")
PARTS = {
    "uuid:pk": "0190a0a0-0000-7000-8000-000000000000",
    "uuid:handle": "0190a0a0-0000-7000-8000-000000000000",
    "slug:slug": "block-attacker",
    "slug:source": "suricata",
    "slug:name": "edge-firewall",
    "slug:username": "tier2",
    "str:step": "block",
    "int:number": "1",
    "int:entry": "1",
    "int:other": "1",
}
# What each address has, and what is open to whom without a right. Everything else answers 401, 403 or 404.
OPEN_TO_ANYBODY = {("health/", "get")}
OPEN_TO_SIGNED_IN = {("schema/", "get"), ("playbooks/schema/", "get"), ("sessions/", "get")}
ENDPOINTS = {
    "health/": {"get"},
    "schema/": {"get"},
    "alerts/": {"get", "post"},
    "alerts/<uuid:pk>/": {"get"},
    "ingest/<slug:source>/": {"post"},
    "cases/": {"get"},
    "cases/<uuid:pk>/": {"get"},
    "cases/<uuid:pk>/close/": {"post"},
    "cases/<uuid:pk>/restrict/": {"post"},
    "cases/<uuid:pk>/release/": {"post"},
    "cases/<uuid:pk>/subjects/": {"post"},
    "cases/<uuid:pk>/subjects/clear/": {"post"},
    "playbooks/": {"get", "post"},
    "playbooks/check/": {"post"},
    "playbooks/schema/": {"get"},
    "playbooks/<slug:slug>/": {"get"},
    "playbooks/<slug:slug>/versions/": {"post"},
    "playbooks/<slug:slug>/versions/<int:number>/": {"get"},
    "playbooks/<slug:slug>/versions/<int:number>/submit/": {"post"},
    "playbooks/<slug:slug>/versions/<int:number>/send-back/": {"post"},
    "playbooks/<slug:slug>/versions/<int:number>/adapt/": {"post"},
    "playbooks/<slug:slug>/versions/<int:number>/diff/<int:other>/": {"get"},
    "playbooks/<slug:slug>/versions/<int:number>/dry-run/": {"post"},
    "playbooks/<slug:slug>/versions/<int:number>/impact/": {"get"},
    "playbooks/<slug:slug>/versions/<int:number>/publish/": {"post"},
    "playbooks/<slug:slug>/versions/<int:number>/retire/": {"post"},
    "runs/": {"get", "post"},
    "runs/<uuid:pk>/": {"get"},
    "runs/<uuid:pk>/cancel/": {"post"},
    "runs/<uuid:pk>/rollback/": {"get", "post"},
    "runs/<uuid:pk>/pause/": {"post"},
    "runs/<uuid:pk>/resume/": {"post"},
    "runs/<uuid:pk>/rerun/": {"post"},
    "runs/<uuid:pk>/steps/": {"get"},
    "runs/<uuid:pk>/steps/<str:step>/resolve/": {"post"},
    "runs/<uuid:pk>/turns/": {"get"},
    "approvals/": {"get"},
    "approvals/<uuid:pk>/": {"get"},
    "approvals/<uuid:pk>/decide/": {"post"},
    "approvals/<uuid:pk>/break-glass/": {"post"},
    "reviews/": {"get"},
    "reviews/<uuid:pk>/": {"get"},
    "reviews/<uuid:pk>/review/": {"post"},
    "step-up/": {"post"},
    "step-up/<uuid:pk>/prove/": {"post"},
    "approvals/<uuid:pk>/withdraw-decision/": {"post"},
    "approvals/<uuid:pk>/strike/": {"post"},
    "approvals/<uuid:pk>/withdraw/": {"post"},
    "approvals/<uuid:pk>/ask-again/": {"post"},
    "rotas/": {"get", "post"},
    "shifts/<uuid:pk>/withdraw/": {"post"},
    "connections/<slug:name>/owner/": {"post"},
    "delegations/": {"get", "post"},
    "delegations/<uuid:pk>/end/": {"post"},
    "connections/": {"get", "post"},
    "connections/<slug:name>/limits/": {"post"},
    "questions/": {"get"},
    "questions/<uuid:pk>/": {"get"},
    "questions/<uuid:pk>/answer/": {"post"},
    "events/": {"post"},
    "holds/": {"get", "post"},
    "holds/<uuid:pk>/release/": {"post"},
    "expiries/": {"get"},
    "profile/": {"get", "post"},
    "profile/<uuid:pk>/confirm/": {"post"},
    "profile/<uuid:pk>/withdraw/": {"post"},
    "notices/": {"get"},
    "notices/rules/": {"get", "post"},
    "notices/services/": {"post"},
    "notices/channels/": {"get", "post"},
    "notices/channels/<uuid:pk>/test/": {"post"},
    "notices/channels/<uuid:pk>/remove/": {"post"},
    "policies/": {"get", "post"},
    "policies/check/": {"post"},
    "policies/explain/": {"post"},
    "policies/simulate/": {"post"},
    "policies/<slug:slug>/": {"get"},
    "policies/<slug:slug>/versions/": {"post"},
    "policies/<slug:slug>/versions/<int:number>/": {"get"},
    "policies/<slug:slug>/versions/<int:number>/submit/": {"post"},
    "policies/<slug:slug>/versions/<int:number>/send-back/": {"post"},
    "policies/<slug:slug>/versions/<int:number>/adapt/": {"post"},
    "policies/<slug:slug>/versions/<int:number>/diff/<int:other>/": {"get"},
    "policies/<slug:slug>/versions/<int:number>/simulate/": {"get"},
    "policies/<slug:slug>/versions/<int:number>/second/": {"post"},
    "policies/<slug:slug>/versions/<int:number>/publish/": {"post"},
    "policies/<slug:slug>/versions/<int:number>/retire/": {"post"},
    "never-touch/": {"get", "post"},
    "never-touch/<uuid:pk>/remove/": {"post"},
    "sources/": {"get", "post"},
    "people/": {"get", "post"},
    "people/<slug:username>/": {"get"},
    "people/<slug:username>/deactivate/": {"post"},
    "people/<slug:username>/roles/": {"post"},
    "people/<slug:username>/roles/take/": {"post"},
    "teams/": {"get", "post"},
    "teams/assign/": {"post"},
    "teams/<slug:slug>/": {"get"},
    "teams/<slug:slug>/rename/": {"post"},
    "teams/<slug:slug>/end/": {"post"},
    "teams/<slug:slug>/members/": {"post"},
    "teams/<slug:slug>/members/remove/": {"post"},
    "roles/": {"get", "post"},
    "roles/<slug:slug>/": {"get"},
    "roles/<slug:slug>/change/": {"post"},
    "roles/<slug:slug>/end/": {"post"},
    "grants/": {"get", "post"},
    "grants/take/": {"post"},
    "tokens/": {"get", "post"},
    "tokens/<uuid:pk>/": {"delete"},
    "sessions/": {"get"},
    "sessions/<uuid:handle>/": {"delete"},
    "audit/entries/": {"get"},
    "audit/export/": {"get"},
    "audit/checkpoint/": {"get"},
    "audit/proof/<int:entry>/": {"get"},
    "audit/consistency/": {"get"},
    "": set(),
}
BODY = b'{"verdict": "approve", "digest": "%s"}' % (b"0" * 64)


def addresses() -> list[str]:
    return [str(each.pattern) for each in urls.urlpatterns]


def methods_of(address: str) -> set[str]:
    view = next(each.callback.cls for each in urls.urlpatterns if str(each.pattern) == address)
    return {each for each in METHODS if hasattr(view, each)} if address else set()


def calls() -> list[tuple[str, str]]:
    return [(address, method) for address in addresses() for method in METHODS]


def call(api: Api, address: str, method: str) -> int:
    path = re.sub("<([^>]+)>", lambda part: PARTS[part[1]], address) or "nowhere/"
    send = getattr(api.client, method)
    body = {} if method == "get" else {"data": BODY, "content_type": "application/json"}
    status: int = send(BASE + path, **body).status_code
    return status


def test_every_address_has_its_row_here() -> None:
    assert {address: methods_of(address) for address in addresses()} == ENDPOINTS


@pytest.mark.parametrize(("address", "method"), calls())
def test_an_anonymous_call_is_turned_away(db: None, address: str, method: str) -> None:
    if (address, method) in OPEN_TO_ANYBODY:
        assert call(nobody(), address, method) in {200, 503}
    else:
        assert call(nobody(), address, method) in {401, 403, 404, 405}


@pytest.mark.parametrize("is_superuser", [False, True])
@pytest.mark.parametrize(("address", "method"), calls())
def test_the_outsider_is_turned_away_also_as_a_superuser(
    cast: Cast, address: str, method: str, is_superuser: bool
) -> None:
    Principal.objects.filter(pk=cast.outsider.pk).update(is_superuser=is_superuser)
    cast.outsider.refresh_from_db()
    status = call(session(cast.outsider), address, method)
    if (address, method) in OPEN_TO_ANYBODY | OPEN_TO_SIGNED_IN:
        assert status in {200, 503}
    elif method in ENDPOINTS[address]:
        assert status in {401, 403, 404}
    else:
        assert status in {404, 405}


def test_the_placeholder_is_an_id() -> None:
    assert UUID(PARTS["uuid:pk"]).version == 7
