"""What one is told, over the API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from playbooks.models import NoticeChannel
from tests.api.callers import session, token_of
from tests.cast import Cast

# Apprise loads a module that Python is going to drop, the first time that it is used.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


def body(answer: Any) -> Any:
    return json.loads(answer.content)


RULES = {"chosen": {"run_ended": {"email": "never"}}, "quiet_from": "22:00", "quiet_until": "07:00"}


def test_rules_are_read_and_set_by_the_person_in_a_session(cast: Cast) -> None:
    api = session(cast.tier2)
    answer = api.post("notices/rules/", {**RULES, "zone": "Europe/Vienna"})
    assert answer.status_code == 200
    rules = body(api.get("notices/rules/"))
    assert (rules["quiet_from"], rules["zone"], rules["no_mail"] != "") == ("22:00:00", "Europe/Vienna", True)
    (ended,) = [each for each in rules["kinds"] if each["kind"] == "run_ended"]
    assert (ended["email"], ended["apprise"]) == ("never", "digest")
    assert token_of(cast.tier2, "read").get("notices/rules/").status_code == 200
    assert token_of(cast.tier2, "read", "runs").post("notices/rules/", RULES).status_code == 403


def test_rules_that_cannot_be_name_their_field(cast: Cast) -> None:
    answer = session(cast.tier2).post("notices/rules/", {"zone": "Middle/Earth", "digest_minutes": 1})
    assert answer.status_code in {400, 422}
    assert {each["pointer"] for each in body(answer)["errors"]} == {"/zone", "/digest_minutes"}
    assert session(cast.tier2).post("notices/rules/", {"chosen": {"weather": {}}}).status_code in {400, 422}


def test_a_service_is_added_and_removed_and_its_address_never_comes_out(cast: Cast, settings: Any) -> None:
    settings.NOTICE_HOSTS = ["chat.example.org"]
    api = session(cast.tier2)
    added = api.post("notices/services/", {"address": "ntfys://chat.example.org/s3cret"})
    assert (added.status_code, body(added)["service"]) == (201, "ntfy")
    assert b"s3cret" not in added.content
    assert b"s3cret" not in api.get("notices/rules/").content
    channel = body(added)["id"]
    assert api.post(f"notices/channels/{channel}/test/").status_code == 200
    assert session(cast.admin).post(f"notices/channels/{channel}/remove/").status_code == 404
    assert api.post(f"notices/channels/{channel}/remove/").status_code == 200


def test_an_administrator_shares_channels_and_reads_the_deliveries(cast: Cast) -> None:
    api = session(cast.admin)
    given = {"role": "tier-2", "kinds": ["run_stuck"], "mailbox": "soc@example.org"}
    assert api.post("notices/channels/", given).status_code == 201
    assert [each["mailbox"] for each in body(api.get("notices/channels/"))["results"]] == ["soc@example.org"]
    assert api.post(f"notices/channels/{NoticeChannel.objects.get().pk}/test/").status_code == 200
    (told,) = body(api.get("notices/", status="queued"))["results"]
    assert (told["kind"], told["to"]) == ("test", "Tier 2 analyst")
    for who in (cast.tier2, cast.compliance):
        assert session(who).get("notices/").status_code == 403
