"""Delegations over the API: in a session only, and each sees their own."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from tests.api.callers import proven_session, session, token_of
from tests.cast import Cast


def body(**more: object) -> dict[str, object]:
    until = (timezone.now() + timedelta(days=1)).isoformat()
    return {"substitute": "netowner", "ends_at": until, "reason": "On leave.", **more}


def test_a_delegation_is_named_listed_and_ended(cast: Cast) -> None:
    named = proven_session(cast.tier2).post("delegations/", body())
    assert (named.status_code, named.json()["standing"]) == (201, "in_force")
    conflict = session(cast.tier2).post("delegations/", body())
    assert (conflict.status_code, conflict.json()["rule"]) == (409, "delegated_already")
    for person, seen in ((cast.tier2, 1), (cast.netowner, 1), (cast.analyst, 0), (cast.admin, 1)):
        assert len(session(person).get("delegations/").json()["results"]) == seen
    assert session(cast.admin).get("delegations/", **{"for": "me"}).json()["results"] == []
    path = f"delegations/{named.json()['id']}/end/"
    assert session(cast.admin).post(path).json()["rule"] == "delegation_of_others"
    assert session(cast.netowner).post(path).json()["standing"] == "over"


def test_no_token_names_or_ends(cast: Cast) -> None:
    api = token_of(cast.tier2, "read", "runs", "author", "cases")
    assert api.post("delegations/", body()).json()["rule"] == "session_only"
    assert api.get("delegations/").status_code == 200


def test_a_body_that_does_not_fit_is_refused_at_its_field(cast: Cast) -> None:
    for more, pointer in (
        ({"odd": 1}, "/odd"),
        ({"ends_at": "soon"}, "/ends_at"),
        ({"reason": " "}, "/reason"),
    ):
        reply = session(cast.tier2).post("delegations/", body(**more))
        assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (400, pointer)
