"""Policies over the API: written, governed by a second person, explained, tried on the past, and never by a token."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from playbooks import executor
from playbooks.models import PolicyVersion
from playbooks.operations import people, policies
from playbooks.operations.caller import SYSTEM
from tests.api.callers import Api, session
from tests.cast import Cast, connect, publish, start

POLICY = """\
policy: edge
title: The edge
when: action.connector == "nftables"
require: {seats: [{role: tier-2}]}
"""
UNGUARDED = """\
playbook: unguarded
title: Unguarded
inputs: {address: {type: ip}}
steps:
  - id: block
    do: nftables.block_address
    using: edge-firewall
    with: {address: "${ inputs.address }", hours: 24}
"""


def post(api: Api, path: str, text: str = POLICY) -> Any:
    return api.post(path, text.encode(), media="text/yaml")


def put_in_force(cast: Cast, text: str = POLICY) -> None:
    author, publisher = session(cast.author), session(cast.publisher)
    made = post(author, "policies/", text).json()
    path = f"policies/{made['policy']}/versions/{made['number']}/"
    assert author.post(f"{path}submit/").status_code == 200
    assert publisher.post(f"{path}publish/").json()["status"] == "published"


def test_a_policy_goes_its_way_from_draft_to_its_end(cast: Cast) -> None:
    put_in_force(cast)
    view = session(cast.analyst).get("policies/edge/").json()
    assert (view["in_force"], view["roles"], view["unfillable"]) == (1, ["tier-2"], [])
    assert [each["slug"] for each in session(cast.analyst).get("policies/").json()["results"]] == ["edge"]
    second = people.create("second", actor=SYSTEM, name="Sefa", password="x", roles=["publisher"])
    path, body = "policies/edge/versions/1/retire/", {"reason": "Gone."}
    assert session(cast.publisher).post(path, body).json()["status"] == "published"
    refused = session(cast.publisher).post(path, body)
    assert (refused.status_code, refused.json()["rule"]) == (403, "retirement_takes_two")
    assert session(second).post(path, body).json()["status"] == "retired"
    version = session(cast.analyst).get("policies/edge/versions/1/").json()
    assert version["kept_until"] is not None
    assert [each["verb"] for each in version["history"]][-2:] == ["policy.retirement_asked", "policy.retired"]


def test_its_author_gets_the_rule_that_forbids_it(cast: Cast) -> None:
    people.grant(cast.author, "publisher", actor=SYSTEM, granted_by=None)
    author = session(cast.author)
    post(author, "policies/")
    author.post("policies/edge/versions/1/submit/")
    refused = author.post("policies/edge/versions/1/publish/")
    assert (refused.status_code, refused.json()["rule"]) == (403, "publisher_is_author")


def test_problems_are_told_with_their_lines(cast: Cast) -> None:
    found = post(session(cast.analyst), "policies/check/", POLICY.replace("tier-2", "tier-3")).json()
    assert (found["ok"], found["problems"][0]["line"]) == (False, 4)
    refused = post(session(cast.author), "policies/", POLICY.replace("when:", "wen:"))
    assert refused.status_code == 400
    assert not PolicyVersion.objects.exists()


@pytest.mark.parametrize("path", ["policies/", "policies/edge/versions/1/publish/", "never-touch/"])
def test_no_token_writes_or_governs_policies(cast: Cast, path: str) -> None:
    token = people.issue_token(cast.author, scopes=["author", "read"], actor=SYSTEM)
    api = Api(Client(), {"Authorization": f"Bearer {token}"})
    assert post(api, path).status_code in {401, 403}


def test_the_differences_name_what_is_weakened_first(cast: Cast) -> None:
    put_in_force(cast, POLICY.replace("[{role: tier-2}]", "[{role: tier-2}, {role: network-owner}]"))
    post(session(cast.author), "policies/", POLICY.replace("nftables", "edge"))
    told = session(cast.analyst).get("policies/edge/versions/1/diff/2/").json()
    assert [(each["severity"], each["key"]) for each in told["governance"]] == [
        ("weakened", "require"),
        ("changed", "when"),
    ]
    assert "-when:" in told["text"]


def test_explaining_tells_which_policies_match_and_with_which_values(
    cast: Cast, default_policies: None
) -> None:
    connect(cast)
    body = {"action": "nftables.block_address", "connection": "edge-firewall", "target": "203.0.113.9"}
    told = session(cast.analyst).post("policies/explain/", body).json()
    assert told["seats"] == ["tier-2"]
    assert {each["policy"]: each["matches"] for each in told["policies"]} == {
        "change-in-production": True,
        "destroying-takes-two": False,
    }
    values = told["policies"][0]["values"]
    assert values == {"action.effect": "change", "connection.production": True}
    unknown = session(cast.analyst).post("policies/explain/", {**body, "action": "no.such"})
    assert unknown.status_code == 400


def test_trying_a_policy_on_the_past_counts_what_it_would_have_asked(cast: Cast) -> None:
    connect(cast)
    publish(cast, UNGUARDED)
    for _ in range(3):
        executor.drive(start(cast, "unguarded").pk, worker="test")
    told = post(session(cast.analyst), "policies/simulate/").json()
    assert (told["steps"], told["matched"], told["more"], told["nobody_could_give"]) == (3, 3, 3, 0)
    nobody = post(session(cast.analyst), "policies/simulate/", POLICY.replace("tier-2", "asset-owner")).json()
    assert (nobody["more"], nobody["nobody_could_give"]) == (3, 3)
    none = post(session(cast.analyst), "policies/simulate/", POLICY.replace("nftables", "edge")).json()
    assert (none["matched"], none["more"], none["examples"]) == (0, 0, [])
    frozen = "policy: edge\ntitle: E\nwhen: action.connector == 'nftables'\nforbid: A freeze.\n"
    assert post(session(cast.analyst), "policies/simulate/", frozen).json()["forbidden"] == 3


def test_a_lower_policy_would_have_asked_less(cast: Cast) -> None:
    put_in_force(cast)
    connect(cast)
    publish(cast, UNGUARDED)
    run = start(cast, "unguarded")
    executor.drive(run.pk, worker="test")
    request = run.requests.get()
    session(cast.tier2).post(
        f"approvals/{request.pk}/decide/", {"verdict": "approve", "digest": request.digest}
    )
    executor.drive(run.pk, worker="test")
    told = post(session(cast.analyst), "policies/simulate/", POLICY.replace("nftables", "edge")).json()
    assert (told["more"], told["fewer"]) == (0, 1)


def test_the_list_of_what_is_never_touched_is_kept_over_the_api(cast: Cast) -> None:
    author = session(cast.author)
    body = {"kind": "address", "value": "10.0.0.0/8", "reason": "Ours."}
    row = author.post("never-touch/", body).json()
    again = author.post("never-touch/", body)
    assert (again.status_code, again.json()["rule"]) == (409, "listed_already")
    assert author.post("never-touch/", {**body, "value": "nowhere"}).status_code == 400
    assert author.post(f"never-touch/{row['id']}/remove/", {"reason": "No."}).status_code == 403
    removed = session(cast.publisher).post(f"never-touch/{row['id']}/remove/", {"reason": "Sold."}).json()
    assert removed["kept_until"] is not None
    assert len(session(cast.analyst).get("never-touch/").json()["results"]) == 1


def test_shipped_policies_name_the_seats_that_nobody_fills(cast: Cast, default_policies: None) -> None:
    view = session(cast.analyst).get("policies/destroying-takes-two/").json()
    assert view["unfillable"] == ["asset-owner"]
    assert policies.authors_of(PolicyVersion.objects.get(policy__slug="destroying-takes-two")) == {}
