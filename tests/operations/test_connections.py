"""Connections: made by administrators, of one connector for good, and every change counts."""

from __future__ import annotations

import pytest

from playbooks.models import Connection, unseal
from playbooks.operations import connections
from playbooks.operations.refusals import Invalid, Refused
from tests.cast import Cast


def configure(cast: Cast, who: str = "admin", **changes: object) -> Connection:
    call: dict[str, object] = {
        "connector": "notify",
        "settings": {},
        "secrets": {"urls": "json://127.0.0.1:9/"},
        **changes,
    }
    return connections.configure("channel", caller=cast.caller(who), **call)  # type: ignore[arg-type]


@pytest.mark.parametrize("who", ["analyst", "tier2", "author", "publisher", "compliance", "outsider"])
def test_only_who_manages_connections_configures_them(cast: Cast, who: str) -> None:
    with pytest.raises(Refused) as refusal:
        configure(cast, who)
    assert refusal.value.rule == "no_permission"
    assert not Connection.objects.exists()


def test_every_change_raises_the_revision_even_one_back(cast: Cast) -> None:
    assert [configure(cast).revision for _ in range(3)] == [1, 2, 3]
    assert configure(cast, secrets={}).revision == 4


def test_secrets_that_are_not_named_stay(cast: Cast) -> None:
    configure(cast)
    assert unseal(bytes(configure(cast, secrets={}).sealed)) == {"urls": "json://127.0.0.1:9/"}


@pytest.mark.parametrize(
    "changes",
    [
        {"connector": "nothing"},
        {"settings": {"odd": 1}},
        {"settings": {"egress": "all"}},
        {"secrets": {}},
        {"secrets": {"urls": "x", "odd": "y"}},
    ],
)
def test_what_does_not_fit_is_invalid_and_makes_nothing(cast: Cast, changes: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        configure(cast, **changes)
    assert not Connection.objects.exists()


def test_a_connection_keeps_its_connector(cast: Cast) -> None:
    """What was approved for one system is never sent to another under the same name."""
    before = configure(cast)
    with pytest.raises(Invalid):
        configure(cast, connector="http", settings={"base_url": "https://far.example"}, secrets={})
    before.refresh_from_db()
    assert (before.connector, before.revision) == ("notify", 1)


def test_an_address_that_holds_credentials_is_refused(cast: Cast) -> None:
    with pytest.raises(Invalid):
        configure(cast, connector="http", settings={"base_url": "https://me:secret@far.example"}, secrets={})
    assert not Connection.objects.exists()


def test_secrets_sealed_with_a_lost_key_are_asked_for_again(cast: Cast, settings: object) -> None:
    configure(cast)
    settings.CONNECTION_KEY = "another key"  # type: ignore[attr-defined]
    with pytest.raises(Invalid):
        configure(cast, secrets={})
    assert configure(cast).revision == 2
