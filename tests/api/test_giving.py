"""Giving a right and issuing a token over the API: 401 without a proof, which can come before or in the same body."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from playbooks.domain.verbs import Verb
from playbooks.models import Membership, Token
from playbooks.operations import roles, teams
from tests.api.callers import Api, session
from tests.cast import Cast, connect
from tests.proving import PASSWORD, code_at, give_code, passkey_of
from tests.teams import case_of_nobody, named_in_log

RIGHT = {"kind": "case", "permission": "see_case", "person": "outsider", "reason": "Helps."}
TOKEN = {"scopes": ["read"], "days": 7}


def calls() -> dict[str, dict[str, Any]]:
    """Every address that gives something, with a body that it would take, and a case to give a right on."""
    now = timezone.now()
    shift = {"person": "tier2", "begins_at": now.isoformat(), "ends_at": (now + timedelta(1)).isoformat()}
    return {
        "people/outsider/roles/": {"role": "tier-2"},
        "people/": {"username": "new", "name": "New", "password": "correct horse 7", "roles": ["tier-2"]},
        "roles/helper/change/": {"title": "Helper", "permissions": ["see_run"]},
        "teams/blue/members/": {"person": "outsider"},
        "grants/": {**RIGHT, "key": str(case_of_nobody().pk)},
        "delegations/": {"substitute": "tier2", "ends_at": shift["ends_at"], "reason": "Away."},
        "rotas/": {"rota": "network", "shifts": [shift]},
        "connections/edge-firewall/owner/": {"owner": "tier2"},
        "tokens/": TOKEN,
    }


@pytest.fixture
def admin(cast: Cast) -> Api:
    connect(cast)
    teams.create("blue", caller=cast.caller("admin"), name="Blue team")
    roles.create("helper", caller=cast.caller("admin"), title="Helper", permissions=[])
    return session(cast.admin)


def challenge(api: Api, purpose: str) -> dict[str, Any]:
    begun = api.post("step-up/", {"purpose": purpose})
    assert begun.status_code == 201, begun.content
    told: dict[str, Any] = begun.json()
    return told


def test_without_a_proof_nothing_is_given_and_it_is_recorded(cast: Cast, admin: Api) -> None:
    for path, body in calls().items():
        refused = admin.post(path, body)
        assert (refused.status_code, refused.json()["rule"]) == (401, "not_stepped_up"), path
        assert "set up a passkey or an authenticator app" in refused.json()["detail"], path
    recorded = named_in_log(Verb.ACTION_REFUSED)
    assert [each["rule"] for each in recorded] == ["not_stepped_up"] * len(calls())
    assert not Token.objects.exists()
    assert not Membership.objects.filter(granted_by=cast.admin).exists()


def test_one_proof_serves_for_five_minutes_of_giving(cast: Cast, admin: Api) -> None:
    key = passkey_of(cast.admin)
    told = challenge(admin, "grant")
    proof = {"assertion": key.sign({"publicKey": told["public_key"]})}
    assert admin.post(f"step-up/{told['id']}/prove/", proof).status_code == 200
    for path, body in calls().items():
        assert admin.post(path, body).status_code in {200, 201}, path


@pytest.mark.parametrize("path", ["people/outsider/roles/", "grants/", "tokens/", "delegations/"])
def test_the_proof_can_come_with_the_call(cast: Cast, admin: Api, path: str) -> None:
    give_code(cast.admin)
    told = challenge(admin, "token" if path == "tokens/" else "grant")
    wrong = {"id": told["id"], "password": "guess", "code": code_at()}
    assert admin.post(path, {**calls()[path], "step_up": wrong}).status_code == 401
    right = {**wrong, "password": PASSWORD}
    assert admin.post(path, {**calls()[path], "step_up": right}).status_code in {200, 201}


def test_a_case_is_kept_from_others_without_a_proof_and_opened_to_nobody(cast: Cast) -> None:
    api, path = session(cast.analyst), f"cases/{case_of_nobody().pk}/restrict/"
    body = {"named": ["outsider"], "reason": "Between us."}
    assert api.post(path, body).json()["rule"] == "not_stepped_up"
    assert api.post(path, {**body, "named": []}).status_code == 200


def test_taking_and_revoking_carry_no_proof(cast: Cast, admin: Api) -> None:
    proof = {"id": str(cast.admin.pk), "password": "x", "code": "000000"}
    assert admin.post("people/tier2/roles/take/", {"role": "tier-2", "step_up": proof}).status_code == 400
    assert admin.post("people/tier2/roles/take/", {"role": "tier-2"}).status_code == 200
    assert admin.post("people/netowner/deactivate/").status_code == 200
