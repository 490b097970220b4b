"""Policies are put in force by a second person, permits by two, and lowering one takes effect after a day only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from playbooks.domain.statuses import VersionStatus
from playbooks.models import PolicyVersion
from playbooks.models.audit import AuditEntry
from playbooks.operations import people, policies
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.policy_rules import in_force
from playbooks.operations.refusals import Invalid, Missing, Refused, Unsound
from tests.cast import Cast

TEXT = """\
policy: edge
title: The edge
when: action.connector == "nftables"
require: {seats: [{role: tier-2}]}
"""


def permit(days: float = 30) -> str:
    until = datetime.now(UTC) + timedelta(days=days)
    return f"""\
policy: routine
title: Routine blocks
when: target != ""
permit: {{until: {until.isoformat()!r}, actions: [nftables.block_address], times: 5, targets: 5}}
"""


@pytest.fixture
def second(cast: Cast) -> Caller:
    """Another publisher."""
    return Caller(people.create("second", actor=SYSTEM, name="Sefa", password="x", roles=["publisher"]))


def reviewed(cast: Cast, text: str = TEXT) -> PolicyVersion:
    author = cast.caller("author")
    version = policies.draft(text, caller=author)
    return policies.submit(version.policy.slug, version.number, caller=author)


def put_in_force(cast: Cast, text: str = TEXT) -> PolicyVersion:
    version = reviewed(cast, text)
    return policies.publish(version.policy.slug, version.number, caller=cast.caller("publisher"))


def verbs() -> list[str]:
    return list(
        AuditEntry.objects.filter(stream__kind="policy").order_by("pk").values_list("verb", flat=True)
    )


def test_a_policy_is_drafted_reviewed_and_put_in_force_by_another_person(cast: Cast) -> None:
    version = put_in_force(cast)
    assert version.status == VersionStatus.PUBLISHED
    assert [each.name for each in in_force(timezone.now())] == ["edge 1"]
    assert verbs() == ["policy.drafted", "policy.submitted", "policy.published"]


def test_its_author_cannot_put_it_in_force_even_with_the_right(cast: Cast) -> None:
    people.grant(cast.author, "publisher", actor=SYSTEM, granted_by=None)
    version = reviewed(cast)
    with pytest.raises(Refused) as refused:
        policies.publish("edge", version.number, caller=cast.caller("author"))
    assert refused.value.rule == "publisher_is_author"
    assert in_force(timezone.now()) == ()


@pytest.mark.parametrize("person", ["analyst", "tier2", "admin", "outsider", "compliance"])
def test_nobody_writes_or_governs_policies_without_the_right(cast: Cast, person: str) -> None:
    caller = cast.caller(person)
    reviewed(cast)
    for attempt in (
        lambda: policies.draft(TEXT, caller=caller),
        lambda: policies.submit("edge", 1, caller=caller),
        lambda: policies.publish("edge", 1, caller=caller),
        lambda: policies.send_back("edge", 1, caller=caller, reason="No."),
        lambda: policies.retire("edge", 1, caller=caller, reason="No."),
    ):
        with pytest.raises(Refused):
            attempt()
    assert PolicyVersion.objects.get().status == VersionStatus.IN_REVIEW


def test_a_text_with_problems_is_not_stored(cast: Cast) -> None:
    with pytest.raises(Unsound) as unsound:
        policies.draft(TEXT.replace("tier-2", "tier-3"), caller=cast.caller("author"))
    (problem,) = unsound.value.problems
    assert (problem.line, "did you mean 'tier-2'" in problem.message) == (4, True)
    assert not PolicyVersion.objects.exists()


def test_a_version_that_is_replaced_is_asked_for_a_day_longer(cast: Cast) -> None:
    put_in_force(cast)
    put_in_force(cast, TEXT.replace("[{role: tier-2}]", "[{role: analyst}]"))
    now = timezone.now()
    assert [(each.name, each.lingers) for each in in_force(now)] == [("edge 1", True), ("edge 2", False)]
    assert [each.name for each in in_force(now + timedelta(hours=25))] == ["edge 2"]


def test_ending_a_policy_takes_two_people_and_a_day(cast: Cast, second: Caller) -> None:
    put_in_force(cast)
    publisher = cast.caller("publisher")
    assert (
        policies.retire("edge", 1, caller=publisher, reason="Not needed.").status == VersionStatus.PUBLISHED
    )
    with pytest.raises(Refused) as refused:
        policies.retire("edge", 1, caller=publisher, reason="Really.")
    assert refused.value.rule == "retirement_takes_two"
    assert policies.retire("edge", 1, caller=second, reason="Agreed.").status == VersionStatus.RETIRED
    now = timezone.now()
    assert [each.lingers for each in in_force(now)] == [True]
    assert in_force(now + timedelta(hours=25)) == ()


def test_a_permit_takes_two_who_did_not_write_it(cast: Cast, second: Caller) -> None:
    reviewed(cast, permit())
    publisher = cast.caller("publisher")
    with pytest.raises(Refused) as refused:
        policies.publish("routine", 1, caller=publisher)
    assert refused.value.rule == "permit_takes_two"
    policies.second("routine", 1, caller=publisher)
    with pytest.raises(Refused) as refused:
        policies.publish("routine", 1, caller=publisher)
    assert refused.value.rule == "permit_takes_two"
    assert policies.publish("routine", 1, caller=second).status == VersionStatus.PUBLISHED


def test_the_author_of_a_permit_is_neither_of_the_two(cast: Cast) -> None:
    people.grant(cast.author, "publisher", actor=SYSTEM, granted_by=None)
    reviewed(cast, permit())
    with pytest.raises(Refused) as refused:
        policies.second("routine", 1, caller=cast.caller("author"))
    assert refused.value.rule == "publisher_is_author"


def test_only_a_permit_takes_a_second_agreement(cast: Cast) -> None:
    reviewed(cast)
    with pytest.raises(Refused) as refused:
        policies.second("edge", 1, caller=cast.caller("publisher"))
    assert refused.value.rule == "version_status"


@pytest.mark.parametrize("days", [-1, 100])
def test_a_permit_without_an_end_in_sight_is_not_put_in_force(
    cast: Cast, second: Caller, days: float
) -> None:
    reviewed(cast, permit(days))
    policies.second("routine", 1, caller=cast.caller("publisher"))
    with pytest.raises(Refused) as refused:
        policies.publish("routine", 1, caller=second)
    assert refused.value.rule == "permit_lasts_too_long"


def test_a_permit_ends_at_once_by_one_person(cast: Cast, second: Caller) -> None:
    reviewed(cast, permit())
    policies.second("routine", 1, caller=cast.caller("publisher"))
    policies.publish("routine", 1, caller=second)
    retired = policies.retire("routine", 1, caller=second, reason="It was used wrongly.")
    assert retired.status == VersionStatus.RETIRED


def test_sending_back_takes_a_reason_and_forgets_who_had_agreed(cast: Cast, second: Caller) -> None:
    reviewed(cast, permit())
    policies.second("routine", 1, caller=second)
    with pytest.raises(Invalid):
        policies.send_back("routine", 1, caller=cast.caller("publisher"), reason=" ")
    version = policies.send_back("routine", 1, caller=cast.caller("publisher"), reason="Too wide.")
    assert (version.status, version.seconder) == (VersionStatus.DRAFT, None)


def test_an_older_text_never_puts_out_of_force_what_was_in_force_later(cast: Cast) -> None:
    author, publisher = cast.caller("author"), cast.caller("publisher")
    policies.draft(TEXT, caller=author)
    put_in_force(cast, TEXT.replace("The edge", "Another"))
    with pytest.raises(Refused):
        policies.submit("edge", 1, caller=author)
    assert policies.adapt("edge", 1, caller=author).number == 3
    with pytest.raises(Missing):
        policies.publish("edge", 9, caller=publisher)


def test_the_default_set_is_shipped_once_and_without_an_author(cast: Cast, default_policies: None) -> None:
    from playbooks.management import default_policies as shipped

    again = shipped.install()
    assert [(str(each), each.author, each.publisher) for each in again] == [
        ("change-in-production 1", None, None),
        ("destroying-takes-two 1", None, None),
    ]
