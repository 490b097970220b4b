"""What a version runs is fixed when it is published: which version of which playbook, and all that these run."""

from __future__ import annotations

import pytest

from playbooks.audit import reading
from playbooks.domain.canonical import digest
from playbooks.domain.pins import MAX_LEVELS
from playbooks.domain.verbs import Verb
from playbooks.models import PlaybookVersion
from playbooks.operations import playbooks
from playbooks.operations.refusals import Unsound
from playbooks.queries import audit as log
from tests.cast import Cast, publish

CHILD = """\
playbook: child
title: A child
inputs:
  address: {type: ip}
  hours: {type: integer, default: 24}
steps:
  - id: note
    set: {a: "${ inputs.address }"}
"""


def parent(given: str = 'address: "192.0.2.1"', *, slug: str = "child", name: str = "parent") -> str:
    head = f"playbook: {name}\ntitle: A parent\nsteps:\n"
    return f"{head}  - id: contain\n    run: {slug}\n    with: {{{given}}}\n"


def problems_of(cast: Cast, text: str) -> list[tuple[int, int, str]]:
    """What publishing says of a text, which is left in review."""
    with pytest.raises(Unsound) as error:
        publish(cast, text)
    assert PlaybookVersion.objects.order_by("-created_at")[0].status == "in_review"
    return [(each.line, each.column, each.message) for each in error.value.problems]


def test_publishing_pins_the_version_in_force_and_a_later_one_changes_nothing(cast: Cast) -> None:
    child = publish(cast, CHILD)
    version = publish(cast, parent())
    pin = version.pins["child"]
    assert (pin["version"], pin["number"], pin["digest"]) == (str(child.pk), 1, child.closure_digest)
    publish(cast, CHILD.replace("A child", "Another child"))
    version.refresh_from_db()
    assert version.pins["child"] == pin


def test_the_closure_digest_is_over_everything_that_runs(cast: Cast) -> None:
    child = publish(cast, CHILD)
    assert child.closure_digest == digest({"document": child.digest, "pins": {}})
    first = publish(cast, parent())
    whole = {"document": first.digest, "pins": {"child": child.closure_digest}}
    assert first.closure_digest == digest(whole)
    publish(cast, CHILD.replace("default: 24", "default: 25"))
    second = publish(cast, parent())
    assert first.digest == second.digest
    assert first.closure_digest != second.closure_digest


def test_the_log_names_pins_and_closure(cast: Cast) -> None:
    publish(cast, CHILD)
    version = publish(cast, parent())
    row = reading.entries(subject=str(version.pk), verb=Verb.VERSION_PUBLISHED).select_related("body")[0]
    facts = log.view(row).facts
    assert facts["pins"] == version.pins
    assert facts["closure_digest"] == version.closure_digest


def test_nothing_is_pinned_before_publishing(cast: Cast) -> None:
    publish(cast, CHILD)
    draft = playbooks.draft(parent(), caller=cast.caller("author"))
    assert (draft.pins, draft.closure_digest) == ({}, "")


def test_what_has_no_published_version_cannot_be_run(cast: Cast) -> None:
    assert problems_of(cast, parent()) == [
        (5, 10, "step 'contain' runs child, which has no published version")
    ]
    version = publish(cast, CHILD)
    playbooks.retire("child", version.number, caller=cast.caller("publisher"))
    assert problems_of(cast, parent()) == [
        (5, 10, "step 'contain' runs child, which has no published version")
    ]


def test_a_playbook_that_runs_itself_is_not_even_stored(cast: Cast) -> None:
    with pytest.raises(Unsound):
        playbooks.draft(parent("", slug="parent"), caller=cast.caller("author"))
    assert not PlaybookVersion.objects.exists()


@pytest.mark.parametrize(
    ("given", "place", "sentence"),
    [
        ("", (6, 5), "step 'contain': child needs the input 'address'"),
        (
            'address: "192.0.2.1", hour: 2',
            (6, 34),
            "step 'contain': child has no input 'hour', did you mean 'hours'?",
        ),
        (
            "address: nowhere",
            (6, 21),
            "step 'contain', input 'address' of child: 'nowhere' is not an IP address.",
        ),
        (
            'address: "192.0.2.1", hours: soon',
            (6, 41),
            "step 'contain', input 'hours' of child: 'soon' is not a whole number.",
        ),
    ],
    ids=["missing", "unknown", "no-address", "no-number"],
)
def test_what_it_gives_has_to_fit_the_inputs(
    cast: Cast, given: str, place: tuple[int, int], sentence: str
) -> None:
    publish(cast, CHILD)
    assert problems_of(cast, parent(given)) == [(*place, sentence)]


def test_the_type_of_an_expression_is_left_to_the_run(cast: Cast) -> None:
    publish(cast, CHILD)
    given = 'address: "${ case.title }", hours: "${ case.severity }"'
    assert publish(cast, parent(given)).pins.keys() == {"child"}


def test_a_step_inside_of_a_block_is_pinned_too(cast: Cast) -> None:
    publish(cast, CHILD)
    text = (
        "playbook: parent\ntitle: A parent\nsteps:\n  - id: hosts\n    each: [1, 2]\n    steps:\n"
        '      - id: contain\n        run: child\n        with: {address: "192.0.2.1", hour: 2}\n'
    )
    assert problems_of(cast, text)[0][:2] == (9, 38)
    assert publish(cast, text.replace(", hour: 2", "")).pins.keys() == {"child"}


def test_playbooks_run_each_other_a_few_levels_deep_only(cast: Cast) -> None:
    publish(cast, CHILD.replace("child", "p1"))
    for level in range(2, MAX_LEVELS + 1):
        text = parent("" if level > 2 else 'address: "192.0.2.1"', slug=f"p{level - 1}", name=f"p{level}")
        publish(cast, text)
    ((_, _, sentence),) = problems_of(cast, parent("", slug=f"p{MAX_LEVELS}", name="too-deep"))
    assert sentence == "step 'contain' runs p8, which makes 9 playbooks inside each other; there can be 8"


def test_a_shipped_playbook_is_pinned_as_well(cast: Cast) -> None:
    with pytest.raises(Unsound):
        playbooks.ship(parent())
    child = playbooks.ship(CHILD)
    assert playbooks.ship(parent()).pins["child"]["version"] == str(child.pk)
