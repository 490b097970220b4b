"""Sessions and tokens over HTTP: for people in a session, and no token gets to another or to what people decide."""

from __future__ import annotations

import pytest

from playbooks.api import urls
from playbooks.models import PrincipalKind, Session, Token
from playbooks.operations import people
from playbooks.operations.caller import SYSTEM
from playbooks.operations.people import SCOPES
from tests.api.callers import bearer, proven_session, session, token_of
from tests.cast import Cast

BODY = {"scopes": ["read"], "days": 7}
# What a token with the right scope may write. An endpoint that is new here has to be argued for.
TOKENS_MAY = {
    *("alerts/", "ingest/<slug:source>/", "events/", "cases/<uuid:pk>/close/"),
    *("runs/", "runs/<uuid:pk>/cancel/", "runs/<uuid:pk>/rollback/", "runs/<uuid:pk>/rerun/"),
    *("runs/<uuid:pk>/pause/", "runs/<uuid:pk>/resume/", "runs/<uuid:pk>/steps/<str:step>/resolve/"),
    *("holds/", "holds/<uuid:pk>/release/", "questions/<uuid:pk>/answer/"),
    *("playbooks/", "playbooks/check/", "playbooks/<slug:slug>/versions/"),
    *(
        f"playbooks/<slug:slug>/versions/<int:number>/{verb}/"
        for verb in ("submit", "adapt", "dry-run", "retire")
    ),
    # One's own request is taken back or asked again as it was begun; the others only calculate.
    *("approvals/<uuid:pk>/withdraw/", "approvals/<uuid:pk>/ask-again/"),
    *("policies/check/", "policies/explain/", "policies/simulate/"),
    *("approvals/<uuid:pk>/withdraw-decision/", "approvals/<uuid:pk>/strike/"),
    # Open to any token, so that its refusal says why: an approval is a person's (token_not_person).
    "approvals/<uuid:pk>/decide/",
}


def test_there_are_these_scopes_and_none_for_what_people_decide() -> None:
    assert {"read", "ingest", "runs", "cases", "author"} == SCOPES
    for word in (
        "approv",
        "decide",
        "polic",
        "grant",
        "role",
        "purge",
        "break",
        "delegat",
        "token",
        "people",
    ):
        assert not [scope for scope in SCOPES if word in scope]


def test_every_other_address_that_writes_turns_tokens_away() -> None:
    written = {
        str(each.pattern)
        for each in urls.urlpatterns
        for method, need in getattr(each.callback.cls, "needs", {}).items()
        if method != "GET" and need.scope is not None
    }
    assert written <= TOKENS_MAY


def test_no_token_makes_another_revokes_one_or_sees_a_session(cast: Cast) -> None:
    api = token_of(cast.admin, *SCOPES)
    row = Token.objects.get()
    session(cast.admin)
    handle = Session.objects.get(principal=cast.admin).handle
    refused = [
        api.post("tokens/", BODY),
        api.client.delete(f"/api/v1/tokens/{row.pk}/", headers=api.headers),
        api.get("sessions/"),
        api.client.delete(f"/api/v1/sessions/{handle}/", headers=api.headers),
    ]
    assert [each.status_code for each in refused] == [403] * 4
    assert {each.json()["rule"] for each in refused} == {"session_only"}
    assert Token.objects.filter(revoked_at=None).count() == 1


def test_a_token_is_made_works_and_is_revoked(cast: Cast) -> None:
    api = proven_session(cast.analyst)
    made = api.post("tokens/", BODY)
    assert made.status_code == 201
    text, token = made.json()["text"], made.json()["token"]
    assert (token["owner"], token["scopes"], text[:10]) == ("analyst", ["read"], token["prefix"])
    assert bearer(text).get("runs/").status_code == 200
    assert api.client.delete(f"/api/v1/tokens/{token['id']}/").json()["revoked_at"] is not None
    assert bearer(text).get("runs/").status_code == 401
    assert api.client.delete(f"/api/v1/tokens/{token['id']}/").status_code == 409


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"scopes": []}, 400),
        ({"scopes": ["approve"]}, 400),
        ({"days": 0}, 400),
        ({"days": 10_000}, 400),
        ({"days": "7"}, 400),
        ({"owner": "nobody"}, 404),
        ({"owner": "tier2"}, 403),
        ({"owner": "robot"}, 403),
        ({"principal": "tier2"}, 400),
    ],
)
def test_a_token_that_may_not_be_is_not_made(cast: Cast, change: dict[str, object], status: int) -> None:
    people.create(
        "robot", actor=SYSTEM, name="R", password=None, kind=PrincipalKind.SERVICE, owner=cast.author
    )
    assert proven_session(cast.analyst).post("tokens/", {**BODY, **change}).status_code == status
    assert not Token.objects.exists()


def test_a_service_account_gets_its_tokens_from_its_owner(cast: Cast) -> None:
    people.create(
        "robot", actor=SYSTEM, name="R", password=None, kind=PrincipalKind.SERVICE, owner=cast.author
    )
    made = proven_session(cast.author).post("tokens/", {**BODY, "owner": "robot"})
    assert (made.status_code, made.json()["token"]["owner"]) == (201, "robot")
    assert Token.objects.get().created_by == cast.author


def test_everybody_lists_and_ends_their_own_sessions_and_an_administrator_those_of_all(cast: Cast) -> None:
    analyst, again, admin = session(cast.analyst), session(cast.analyst), session(cast.admin)
    rows = analyst.get("sessions/").json()["results"]
    assert {row["owner"] for row in rows} == {"analyst"}
    assert sorted(row["is_current"] for row in rows) == [False, True]
    (other,) = [row["handle"] for row in rows if not row["is_current"]]
    assert analyst.client.delete(f"/api/v1/sessions/{other}/").status_code == 200
    assert again.get("runs/").status_code in {401, 403}
    assert {row["owner"] for row in admin.get("sessions/").json()["results"]} == {"analyst", "admin"}
    admins = Session.objects.get(principal=cast.admin)
    assert analyst.client.delete(f"/api/v1/sessions/{admins.handle}/").status_code == 404
    mine = Session.objects.get(principal=cast.analyst)
    assert admin.client.delete(f"/api/v1/sessions/{mine.handle}/").status_code == 200
    assert analyst.get("runs/").status_code in {401, 403}
    for row in Session.objects.all():
        assert row.session_key not in admin.get("sessions/").content.decode()
