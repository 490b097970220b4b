"""Connections, sources and tokens over HTTP: secrets go in and never come out."""

from __future__ import annotations

import pytest

from playbooks.models import Connection, Source, unseal
from tests.api.callers import session, token_of
from tests.cast import Cast

SECRET = "json://user:hunter2@127.0.0.1:9/"
BODY = {"name": "soc-channel", "connector": "notify", "secrets": {"urls": SECRET}, "simulated": True}


def test_a_secret_goes_in_and_never_comes_out(cast: Cast) -> None:
    admin = session(cast.admin)
    made = admin.post("connections/", BODY)
    assert made.status_code == 201
    listed = admin.get("connections/")
    assert made.json()["secrets"] == listed.json()["results"][0]["secrets"] == ["urls"]
    assert b"hunter2" not in made.content + listed.content
    assert unseal(bytes(Connection.objects.get().sealed)) == {"urls": SECRET}


def test_each_change_raises_the_revision_and_keeps_other_secrets(cast: Cast) -> None:
    admin = session(cast.admin)
    admin.post("connections/", BODY)
    changed = admin.post("connections/", {**BODY, "secrets": {}, "environment": "production"}).json()
    assert (changed["revision"], changed["secrets"], changed["environment"]) == (2, ["urls"], "production")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"connector": "nothing"}, "/connector"),
        ({"settings": {"wat": 1}}, "/settings"),
        ({"secrets": {"wat": "x"}}, "/secrets/wat"),
        ({"name": "Not A Name"}, "/name"),
        ({"simulated": "yes"}, "/simulated"),
    ],
)
def test_what_does_not_fit_is_pointed_at_without_the_secret(
    cast: Cast, change: dict[str, object], pointer: str
) -> None:
    answer = session(cast.admin).post("connections/", {**BODY, **change})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert b"hunter2" not in answer.content
    assert not Connection.objects.exists()


def test_no_token_administers(cast: Cast) -> None:
    api = token_of(cast.admin, "read", "ingest", "runs", "cases", "author")
    for path in ("connections/", "sources/"):
        assert api.get(path).status_code == 200
        assert api.post(path, BODY).status_code == 403


@pytest.mark.parametrize("who", ["analyst", "author", "compliance"])
def test_only_administrators_configure(cast: Cast, who: str) -> None:
    api = session(getattr(cast, who))
    assert api.post("connections/", BODY).status_code == 403
    assert api.post("sources/", {"slug": "siem", "kind": "normal"}).status_code == 403


def test_a_source_is_made_once(cast: Cast) -> None:
    admin = session(cast.admin)
    first = admin.post("sources/", {"slug": "siem", "kind": "suricata"})
    second = admin.post("sources/", {"slug": "siem", "kind": "suricata"})
    assert (first.status_code, first.json()["id"]) == (201, second.json()["id"])
    assert admin.post("sources/", {"slug": "other", "kind": "wat"}).status_code == 400
    assert Source.objects.count() == 1


def test_people_see_their_own_tokens_and_never_a_text(cast: Cast) -> None:
    mine, theirs = token_of(cast.analyst, "read"), token_of(cast.tier2, "read")
    (row,) = mine.get("tokens/").json()["results"]
    assert (row["owner"], row["scopes"], row["last_used_at"] is None) == ("analyst", ["read"], False)
    everything = session(cast.admin).get("tokens/")
    assert len(everything.json()["results"]) == 2
    for api in (mine, theirs):
        assert api.headers["Authorization"].removeprefix("Bearer ").encode() not in everything.content
