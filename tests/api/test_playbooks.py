"""Playbooks over HTTP: written as text, checked with places, and governed by a second person."""

from __future__ import annotations

import pytest

from playbooks import executor
from playbooks.operations import people
from playbooks.operations.caller import SYSTEM
from tests.api.callers import EVENT, sender, session, token_of
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


def test_a_diff_tells_governance_first_whichever_version_is_named_first(cast: Cast) -> None:
    publish(cast)
    weaker = BLOCK.replace("      - {role: network-owner}\n", "").replace("hours: 24", "hours: 48")
    assert weaker != BLOCK
    publish(cast, weaker)
    api = session(cast.analyst)
    told = api.get(f"{PATH}versions/1/diff/2/").json()
    assert (told["old"], told["new"]) == (1, 2)
    (finding,) = told["governance"]
    assert (finding["step"], finding["key"], finding["severity"]) == ("gate", "seats", "weakened")
    assert finding["sentence"] == "Gate 'gate' asks tier-2; network-owner is dropped."
    (step,) = told["steps"]
    assert (step["step"], step["keys"][0]["key"]) == ("block", "with")
    assert "-      - {role: network-owner}" in told["text"]
    assert api.get(f"{PATH}versions/2/diff/1/").json() == told
    same = api.get(f"{PATH}versions/2/diff/2/").json()
    assert (same["governance"], same["steps"], same["text"]) == ([], [], "")
    assert api.get(f"{PATH}versions/1/diff/3/").status_code == 404
    assert session(cast.outsider).get(f"{PATH}versions/1/diff/2/").status_code in {403, 404}


def test_a_version_goes_back_with_its_reason_and_an_old_one_is_adapted(cast: Cast) -> None:
    author, publisher = session(cast.author), session(cast.publisher)
    author.post("playbooks/", BLOCK.encode(), media=YAML)
    author.post(f"{PATH}versions/1/submit/")
    assert publisher.post(f"{PATH}versions/1/send-back/", {"reason": ""}).status_code == 400
    assert publisher.post(f"{PATH}versions/1/send-back/").status_code == 400
    back = publisher.post(f"{PATH}versions/1/send-back/", {"reason": "Who is on call at night?"})
    assert (back.status_code, back.json()["status"]) == (200, "draft")
    again = publisher.post(f"{PATH}versions/1/send-back/", {"reason": "Again."})
    assert (again.status_code, again.json()["rule"]) == (409, "version_status")
    made = author.post(f"{PATH}versions/1/adapt/")
    assert (made.status_code, made.json()["number"], made.json()["status"]) == (201, 2, "draft")
    assert publisher.post(f"{PATH}versions/1/adapt/").status_code == 403
    assert token_of(cast.publisher, "author").post(f"{PATH}versions/1/send-back/").status_code == 403


def test_a_version_tells_its_history(cast: Cast) -> None:
    author, publisher = session(cast.author), session(cast.publisher)
    author.post("playbooks/", BLOCK.encode(), media=YAML)
    author.post(f"{PATH}versions/1/submit/")
    publisher.post(f"{PATH}versions/1/send-back/", {"reason": "Too short."})
    author.post(f"{PATH}versions/1/adapt/")
    view = session(cast.analyst).get(f"{PATH}versions/1/").json()
    told = [(each["verb"], each["by"], each["reason"]) for each in view["history"]]
    assert told == [
        ("version.drafted", "Author", ""),
        ("version.submitted", "Author", ""),
        ("version.sent_back", "Publisher", "Too short."),
    ]
    (drafted,) = author.get(f"{PATH}versions/2/").json()["history"]
    assert drafted["adapted_from"] == 1
    assert view["may"] == []
    assert author.get(f"{PATH}versions/1/").json()["may"] == ["submit", "adapt"]


def test_impact_says_what_stays_what_waits_and_what_would_have_matched(cast: Cast) -> None:
    connect(cast)
    publish(cast)
    executor.drive(start(cast).pk, worker="test")
    suricata = sender()
    suricata.post("ingest/suricata/", EVENT)
    wider = BLOCK.replace("alert.severity >= 70", "alert.severity >= 1000 / 10000")
    draft = session(cast.author).post(f"{PATH}versions/", wider.encode(), media=YAML).json()
    told = session(cast.publisher).get(f"{PATH}versions/{draft['number']}/impact/").json()
    assert (told["move"], told["in_force"]) == ("publish", 1)
    assert told["in_flight"] == [{"number": 1, "runs": 2, "gates": 1}]
    assert told["triggers_now"] == ['alert.source == "suricata" && alert.severity >= 70']
    assert told["triggers"] != told["triggers_now"]
    assert told["matches"] == {
        "days": 30,
        "alerts": 1,
        "considered": 1,
        "matched": 1,
        "matched_now": 1,
        "failed": 0,
    }
    retiring = session(cast.publisher).get(f"{PATH}versions/1/impact/").json()
    assert (retiring["move"], retiring["triggers"], retiring["matches"]) == ("retire", [], None)
    assert session(cast.publisher).get(f"{PATH}versions/9/impact/").status_code == 404


def test_impact_says_what_is_pinned_by_whom_and_why_publishing_would_be_refused(cast: Cast) -> None:
    child = "playbook: child\ntitle: A child\nsteps:\n  - id: note\n    set: {a: 1}\n"
    parent = "playbook: parent\ntitle: A parent\nsteps:\n  - id: part\n    run: child\n"
    author, publisher = session(cast.author), session(cast.publisher)
    author.post("playbooks/", parent.encode(), media=YAML)
    told = publisher.get("playbooks/parent/versions/1/impact/").json()
    assert told["problems"] == ["step 'part' runs child, which has no published version"]
    author.post("playbooks/parent/versions/1/submit/")
    refused = publisher.post("playbooks/parent/versions/1/publish/")
    assert refused.status_code == 400
    assert refused.json()["problems"] == [{"line": 5, "column": 10, "message": told["problems"][0]}]
    publish(cast, child)
    told = publisher.get("playbooks/parent/versions/1/impact/").json()
    assert (told["problems"], told["runs"][0]["playbook"], told["runs"][0]["number"]) == ([], "child", 1)
    assert publisher.post("playbooks/parent/versions/1/publish/").status_code == 200
    pinned = publisher.get("playbooks/parent/versions/1/").json()
    assert pinned["pins"][0]["playbook"] == "child"
    assert pinned["closure_digest"] != pinned["digest"]
    (by,) = publisher.get("playbooks/child/versions/1/impact/").json()["pinned_by"]
    assert by == {"playbook": "parent", "title": "A parent", "number": 1, "pinned": 1}
