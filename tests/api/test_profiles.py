"""The profile over the API: read with a token, changed by two people in sessions."""

from __future__ import annotations

import json

from tests.api.callers import session, token_of
from tests.cast import Cast

PROPOSED = {"profile": "pair", "reason": "There are two of us."}


def test_it_is_read_with_a_token_and_changed_by_two_people_in_sessions(cast: Cast) -> None:
    reader = token_of(cast.tier2, "read", "runs")
    assert json.loads(reader.get("profile/").content)["profile"] == "team"
    assert reader.post("profile/", PROPOSED).status_code == 403
    proposed = session(cast.tier2).post("profile/", PROPOSED)
    assert proposed.status_code == 201
    path = f"profile/{json.loads(proposed.content)['id']}/confirm/"
    refused = session(cast.tier2).post(path)
    assert (refused.status_code, json.loads(refused.content)["rule"]) == (403, "confirmer_is_proposer")
    assert session(cast.netowner).post(path).status_code == 200
    assert json.loads(reader.get("profile/").content)["profile"] == "pair"
    again = session(cast.netowner).post(path)
    assert (again.status_code, json.loads(again.content)["rule"]) == (409, "profile_not_pending")
