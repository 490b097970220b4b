"""A version goes from draft to review to force by two people, and never past one of them."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.db.utils import IntegrityError

from playbooks.domain.statuses import VersionStatus
from playbooks.models import PlaybookVersion
from playbooks.operations import people, playbooks, runs
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.refusals import Invalid, Missing, Refused, Unsound
from tests.cast import Cast, publish

TEXT = "playbook: small\ntitle: Small\nsteps:\n  - id: note\n    set: {a: 1}\n"


@pytest.fixture
def both(cast: Cast) -> Caller:
    """Somebody who may write and publish."""
    people.grant(cast.publisher, "author", actor=SYSTEM, granted_by=None)
    return cast.caller("publisher")


def submitted(cast: Cast, author: Caller, text: str = TEXT) -> PlaybookVersion:
    draft = playbooks.draft(text, caller=author)
    playbooks.submit("small", draft.number, caller=author)
    return draft


def rule_of(error: pytest.ExceptionInfo[Refused]) -> str:
    return error.value.rule


def test_nobody_publishes_what_they_wrote(cast: Cast, both: Caller) -> None:
    draft = submitted(cast, both)
    with pytest.raises(Refused) as refusal:
        playbooks.publish("small", draft.number, caller=both)
    assert rule_of(refusal) == "publisher_is_author"
    draft.refresh_from_db()
    assert draft.status == VersionStatus.IN_REVIEW


def test_the_database_refuses_it_too(cast: Cast, both: Caller) -> None:
    draft = submitted(cast, both)
    with pytest.raises(IntegrityError), transaction.atomic():
        PlaybookVersion.objects.filter(pk=draft.pk).update(publisher=draft.author)


def test_nobody_publishes_on_top_of_their_own_unreviewed_draft(cast: Cast, both: Caller) -> None:
    """The change of the first draft is in the second, whoever saved it last."""
    playbooks.draft(TEXT, caller=both)
    second = submitted(cast, cast.caller("author"))
    with pytest.raises(Refused) as refusal:
        playbooks.publish("small", second.number, caller=both)
    assert rule_of(refusal) == "publisher_is_author"


def test_authorship_ends_with_a_version_that_somebody_else_published(cast: Cast, both: Caller) -> None:
    people.grant(cast.admin, "publisher", actor=SYSTEM, granted_by=None)
    first = submitted(cast, both)
    playbooks.publish("small", first.number, caller=cast.caller("admin"))
    second = submitted(cast, cast.caller("author"))
    assert playbooks.publish("small", second.number, caller=both).status == VersionStatus.PUBLISHED


def test_two_authors_do_not_publish_for_each_other(cast: Cast, both: Caller) -> None:
    people.grant(cast.author, "publisher", actor=SYSTEM, granted_by=None)
    first = submitted(cast, cast.caller("author"))
    second = submitted(cast, both)
    for caller in (cast.caller("author"), both):
        with pytest.raises(Refused) as refusal:
            playbooks.publish("small", second.number, caller=caller)
        assert rule_of(refusal) == "publisher_is_author"
    with pytest.raises(Refused) as refusal:
        playbooks.publish("small", first.number, caller=cast.caller("author"))
    assert rule_of(refusal) == "publisher_is_author"


def test_review_is_never_skipped(cast: Cast) -> None:
    draft = playbooks.draft(TEXT, caller=cast.caller("author"))
    with pytest.raises(Refused) as refusal:
        playbooks.publish("small", draft.number, caller=cast.caller("publisher"))
    assert rule_of(refusal) == "version_status"
    with pytest.raises(Refused) as refusal:
        playbooks.retire("small", draft.number, caller=cast.caller("publisher"))
    assert rule_of(refusal) == "version_status"


def test_what_is_retired_stays_retired(cast: Cast) -> None:
    version = publish(cast, TEXT)
    playbooks.retire("small", version.number, caller=cast.caller("publisher"))
    for act, who in (
        (playbooks.submit, "author"),
        (playbooks.publish, "publisher"),
        (playbooks.retire, "publisher"),
    ):
        with pytest.raises(Refused) as refusal:
            act("small", version.number, caller=cast.caller(who))
        assert rule_of(refusal) == "version_status"
    with pytest.raises(Missing):
        runs.start("small", caller=cast.caller("analyst"))


def test_a_new_version_retires_the_one_before(cast: Cast) -> None:
    first, second = publish(cast, TEXT), publish(cast, TEXT.replace("a: 1", "a: 2"))
    first.refresh_from_db()
    assert (first.status, second.status) == (VersionStatus.RETIRED, VersionStatus.PUBLISHED)
    assert first.digest != second.digest


def test_a_run_stays_on_its_version(cast: Cast) -> None:
    waiting = "playbook: small\ntitle: Small\nsteps:\n  - id: pause\n    wait: {for: 1h}\n"
    first = publish(cast, waiting)
    run = runs.start("small", caller=cast.caller("analyst"))
    publish(cast, TEXT)
    run.refresh_from_db()
    assert run.version == first


def test_texts_that_mean_the_same_have_one_digest(cast: Cast) -> None:
    spaced = TEXT.replace("set: {a: 1}", "set:\n      a: 1   # one")
    caller = cast.caller("author")
    assert playbooks.draft(TEXT, caller=caller).digest == playbooks.draft(spaced, caller=caller).digest


@pytest.mark.parametrize(
    ("act", "who"),
    [("draft", "publisher"), ("submit", "publisher"), ("publish", "author"), ("retire", "author")],
)
def test_each_act_needs_its_permission(cast: Cast, act: str, who: str) -> None:
    draft = playbooks.draft(TEXT, caller=cast.caller("author"))
    arguments = (TEXT,) if act == "draft" else ("small", draft.number)
    for caller in (cast.caller(who), cast.caller("outsider"), cast.caller("admin")):
        with pytest.raises(Refused) as refusal:
            getattr(playbooks, act)(*arguments, caller=caller)
        assert rule_of(refusal) == "no_permission"


def test_what_is_no_playbook_is_not_stored(cast: Cast) -> None:
    for text in ("", "steps: [", TEXT.replace("set:", "sett:"), TEXT + "  - id: note\n    set: {b: 1}\n"):
        with pytest.raises(Unsound) as error:
            playbooks.draft(text, caller=cast.caller("author"))
        assert error.value.problems
    with pytest.raises(Invalid):
        playbooks.draft(TEXT, caller=cast.caller("author"), slug="another")
    assert not PlaybookVersion.objects.exists()


def test_a_version_that_is_not_there_is_missing(cast: Cast) -> None:
    with pytest.raises(Missing):
        playbooks.publish("small", 1, caller=cast.caller("publisher"))


def test_a_shipped_version_has_no_author_and_no_publisher(cast: Cast) -> None:
    shipped = playbooks.ship(TEXT)
    assert (shipped.status, shipped.author, shipped.publisher) == (VersionStatus.PUBLISHED, None, None)
    changed = submitted(cast, cast.caller("author"))
    assert playbooks.publish("small", changed.number, caller=cast.caller("publisher")).number == 2


def test_a_shipped_playbook_that_is_there_already_stays_as_it_is(cast: Cast) -> None:
    first = playbooks.ship(TEXT)
    again = playbooks.ship(TEXT)
    assert again == first
    assert PlaybookVersion.objects.count() == 1


def test_a_version_in_review_goes_back_with_a_reason(cast: Cast) -> None:
    author, publisher = cast.caller("author"), cast.caller("publisher")
    draft = submitted(cast, author)
    for empty in ("", "  \n"):
        with pytest.raises(Invalid):
            playbooks.send_back("small", draft.number, caller=publisher, reason=empty)
    with pytest.raises(Invalid):
        playbooks.send_back("small", draft.number, caller=publisher, reason="x" * 2001)
    back = playbooks.send_back("small", draft.number, caller=publisher, reason="Say why a is 1.")
    assert back.status == VersionStatus.DRAFT
    with pytest.raises(Refused) as refusal:
        playbooks.publish("small", draft.number, caller=publisher)
    assert rule_of(refusal) == "version_status"
    playbooks.submit("small", draft.number, caller=author)
    assert playbooks.publish("small", draft.number, caller=publisher).status == VersionStatus.PUBLISHED


def test_an_author_takes_a_version_back_from_review_and_nobody_else_does(cast: Cast) -> None:
    people.grant(cast.analyst, "author", actor=SYSTEM, granted_by=None)
    draft = submitted(cast, cast.caller("author"))
    for who in ("analyst", "admin", "outsider"):
        with pytest.raises(Refused) as refusal:
            playbooks.send_back("small", draft.number, caller=cast.caller(who), reason="No.")
        assert rule_of(refusal) == "no_permission"
    author = cast.caller("author")
    assert playbooks.send_back("small", draft.number, caller=author, reason="A typo.").status == "draft"
    with pytest.raises(Refused) as refusal:
        playbooks.send_back("small", draft.number, caller=author, reason="Again.")
    assert "only one that is in review can be sent back" in str(refusal.value)


def test_an_older_text_never_replaces_one_that_was_in_force_later(cast: Cast) -> None:
    author = cast.caller("author")
    old, waiting = playbooks.draft(TEXT, caller=author), submitted(cast, author)
    publish(cast, TEXT.replace("a: 1", "a: 2"))
    for act, number, who in (
        (playbooks.submit, old.number, "author"),
        (playbooks.publish, waiting.number, "publisher"),
    ):
        with pytest.raises(Refused) as refusal:
            act("small", number, caller=cast.caller(who))
        assert rule_of(refusal) == "version_status"
        assert "Version 3, which is newer, has been in force." in str(refusal.value)


def test_what_a_retired_version_says_comes_back_as_a_new_draft(cast: Cast) -> None:
    first, second = publish(cast, TEXT), publish(cast, TEXT.replace("a: 1", "a: 2"))
    adapted = playbooks.adapt("small", first.number, caller=cast.caller("author"))
    assert (adapted.number, adapted.status, adapted.source) == (3, VersionStatus.DRAFT, first.source)
    assert adapted.author == cast.author
    playbooks.submit("small", 3, caller=cast.caller("author"))
    assert playbooks.publish("small", 3, caller=cast.caller("publisher")).digest == first.digest
    second.refresh_from_db()
    assert second.status == VersionStatus.RETIRED
    with pytest.raises(Refused) as refusal:
        playbooks.adapt("small", first.number, caller=cast.caller("publisher"))
    assert rule_of(refusal) == "no_permission"


def test_a_playbook_bears_the_title_of_what_is_in_force(cast: Cast) -> None:
    publish(cast, TEXT)
    renamed = submitted(cast, cast.caller("author"), TEXT.replace("title: Small", "title: Smaller"))
    assert str(renamed.playbook) == "Small"
    playbooks.publish("small", renamed.number, caller=cast.caller("publisher"))
    renamed.playbook.refresh_from_db()
    assert str(renamed.playbook) == "Smaller"
