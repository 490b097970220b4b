"""Tokens end when somebody ends them, and a connection's secrets stay with its address."""

from __future__ import annotations

import pytest

from playbooks.models import Token
from playbooks.operations import connections, people
from playbooks.operations.caller import SYSTEM
from playbooks.operations.refusals import Invalid, Missing
from tests.api.callers import bearer
from tests.cast import Cast


def test_a_revoked_token_opens_nothing(cast: Cast) -> None:
    text = people.issue_token(cast.analyst, actor=SYSTEM, scopes=["read"])
    assert bearer(text).get("runs/").status_code == 200
    assert people.revoke_token(text[:10], actor=SYSTEM) == 1
    assert bearer(text).get("runs/").status_code == 401
    assert Token.objects.get().revoked_at is not None
    with pytest.raises(Missing):
        people.revoke_token(text[:10], actor=SYSTEM)


def configure(cast: Cast, base: str, **secrets: str) -> None:
    connections.configure(
        "far", caller=cast.caller("admin"), connector="http", settings={"base_url": base}, secrets=secrets
    )


def test_a_kept_secret_does_not_follow_a_changed_address(cast: Cast) -> None:
    configure(cast, "https://far.example", token="the-real-one")
    with pytest.raises(Invalid) as refusal:
        configure(cast, "https://elsewhere.example")
    assert refusal.value.errors == (("/secrets/token", "The address changed, so enter this secret again."),)
    configure(cast, "https://far.example")
    configure(cast, "https://elsewhere.example", token="another")
