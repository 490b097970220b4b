"""Rotas and owners over the API: who is meant by a seat that is no role."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from tests.api.callers import proven_session, session, token_of
from tests.cast import Cast, connect


def test_a_shift_is_published_listed_and_withdrawn(cast: Cast) -> None:
    now = timezone.now()
    planned = {
        "person": "netowner",
        "begins_at": now.isoformat(),
        "ends_at": (now + timedelta(days=2)).isoformat(),
    }
    body = {"rota": "network", "title": "Network", "shifts": [planned]}
    assert session(cast.tier2).post("rotas/", body).json()["rule"] == "no_permission"
    assert token_of(cast.admin, "read", "runs").post("rotas/", body).json()["rule"] == "session_only"
    made = proven_session(cast.admin).post("rotas/", body)
    assert (made.status_code, made.json()["on_call"]) == (201, [])
    (rota,) = session(cast.tier2).get("rotas/").json()["results"]
    (shift,) = rota["shifts"]
    assert (shift["person"]["username"], shift["is_now"]) == ("netowner", False)
    wrong = {**body, "shifts": [{**planned, "ends_at": planned["begins_at"]}]}
    assert session(cast.admin).post("rotas/", wrong).status_code == 400
    path = f"shifts/{shift['id']}/withdraw/"
    assert session(cast.tier2).post(path).status_code == 403
    assert session(cast.admin).post(path).json()["shifts"] == []
    assert session(cast.admin).post(path).status_code == 409


def test_a_connection_is_given_an_owner_who_is_not_the_giver(cast: Cast) -> None:
    connect(cast)
    api = proven_session(cast.admin)
    given = api.post("connections/edge-firewall/owner/", {"owner": "netowner"})
    assert given.json()["owner"]["username"] == "netowner"
    own = api.post("connections/edge-firewall/owner/", {"owner": "admin"})
    assert (own.status_code, own.json()["rule"]) == (403, "grantor_is_beneficiary")
    assert api.post("connections/edge-firewall/owner/", {"owner": ""}).json()["owner"] is None
    assert session(cast.tier2).post("connections/edge-firewall/owner/", {"owner": "tier2"}).status_code == 403
