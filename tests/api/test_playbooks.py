"""Playbooks over HTTP: written as text, checked with places, and governed by a second person."""

from __future__ import annotations

import pytest

from playbooks.operations import people
from playbooks.operations.caller import SYSTEM
from tests.api.callers import session, token_of
from tests.cast import BLOCK, Cast, connect, publish, start

YAML = "text/yaml"
PATH = "playbooks/block-attacker/"


def test_a_version_goes_from_draft_to_published_to_retired(cast: Cast) -> None:
    author, publisher = session(cast.author), session(cast.publisher)
    made = author.post("playbooks/", BLOCK.encode(), media=YAML)
    assert made.status_code == 201
    assert (made.json()["number"], made.json()["status"], made.json()["problems"]) == (1, "draft", [])
    assert author.post(f"{PATH}versions/1/submit/").json()["status"] == "in_review"
    assert publisher.post(f"{PATH}versions/1/publish/").json()["status"] == "published"
    assert publisher.post(f"{PATH}versions/1/retire/").json()["status"] == "retired"
    again = publisher.post(f"{PATH}versions/1/publish/")
    assert (again.status_code, again.json()["rule"]) == (409, "version_status")


def test_the_author_does_not_publish_even_with_the_role(cast: Cast) -> None:
    people.grant(cast.author, "publisher", actor=SYSTEM, granted_by=None)
    author = session(cast.author)
    author.post("playbooks/", BLOCK.encode(), media=YAML)
    author.post(f"{PATH}versions/1/submit/")
    answer = author.post(f"{PATH}versions/1/publish/")
    assert (answer.status_code, answer.json()["rule"]) == (403, "publisher_is_author")


def test_the_text_comes_back_as_it_was_written(cast: Cast) -> None:
    publish(cast)
    api = session(cast.analyst)
    answer = api.get(f"{PATH}versions/1/", format="yaml")
    assert answer.content.decode() == BLOCK
    assert answer["Content-Type"].startswith("text/yaml")
    view = api.get(f"{PATH}versions/1/").json()
    assert (view["source"], view["document"]["playbook"]) == (BLOCK, "block-attacker")
    assert view["author"]["username"] == "author"
    assert api.get(f"{PATH}versions/1/", format="svg").status_code == 400
    assert api.get(f"{PATH}versions/2/").status_code == 404


def test_check_tells_every_problem_and_stores_nothing(cast: Cast) -> None:
    api = session(cast.analyst)
    assert api.post("playbooks/check/", BLOCK.encode(), media=YAML).json() == {"ok": True, "problems": []}
    broken = BLOCK.replace("late: escalate", "late: approve").replace("needs: []", "needs: [nobody]")
    told = api.post("playbooks/check/", broken.encode(), media="application/yaml").json()
    assert told["ok"] is False
    assert len(told["problems"]) >= 2
    assert all(each["line"] > 1 and each["column"] > 1 and each["message"] for each in told["problems"])
    assert api.get("playbooks/").json()["results"] == []


def test_a_draft_belongs_to_the_playbook_of_its_address(cast: Cast) -> None:
    publish(cast)
    api = token_of(cast.author, "author")
    assert api.post(f"{PATH}versions/", BLOCK.encode(), media=YAML).json()["number"] == 2
    other = BLOCK.replace("playbook: block-attacker", "playbook: another").encode()
    answer = api.post(f"{PATH}versions/", other, media=YAML)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/playbook")
    assert api.post("playbooks/nowhere/versions/", BLOCK.encode(), media=YAML).status_code == 404


def test_the_list_says_how_a_playbook_fares(cast: Cast) -> None:
    connect(cast)
    publish(cast)
    start(cast)
    (row,) = session(cast.analyst).get("playbooks/").json()["results"]
    assert (row["slug"], row["published"], row["latest"], row["runs_ended"]) == ("block-attacker", 1, 1, 0)
    assert row["last_run_at"] is not None
    view = session(cast.author).get(PATH).json()
    assert (view["may_write"], view["may_publish"], view["may_start"]) == (True, False, False)
    assert view["inputs"].keys() == {"address"}


@pytest.mark.parametrize("who", ["analyst", "publisher", "admin"])
def test_only_authors_write(cast: Cast, who: str) -> None:
    assert session(getattr(cast, who)).post("playbooks/", BLOCK.encode(), media=YAML).status_code == 403
