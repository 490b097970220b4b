"""A reviewer is told every change, and what it does to governance before anything else."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.domain.canonical import canonical
from playbooks.domain.change_rules import Governance, Severity
from playbooks.domain.check import check
from playbooks.domain.deadlines import LEVELS
from playbooks.domain.differences import Differences, KeyChange, differences, text_differences
from playbooks.domain.governance import side_of
from playbooks.domain.playbook import Playbook, document
from playbooks.domain.reader import read_yaml
from tests.domain.language import BLOCK_ATTACKER, CATALOGUE

HEAD = "playbook: sample\ntitle: A sample\nsteps:\n"


def read(text: str) -> dict[str, Any]:
    """The document of a playbook in the library's form, or of steps, each a YAML flow mapping without its braces."""
    source = (
        text if text.startswith("playbook:") else HEAD + "".join(f"  - {{{each}}}\n" for each in lines(text))
    )
    checked = check(source, CATALOGUE)
    assert checked.playbook is not None, checked.problems
    return document(checked.playbook)


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def changed(old: str, new: str, **pins: Any) -> Differences:
    return differences(read(old), read(new), CATALOGUE, **pins)


def told(found: Differences) -> list[tuple[str, str, str]]:
    return [(each.step, each.key, each.severity.value) for each in found.governance]


def only(found: Differences) -> Governance:
    (finding,) = found.governance
    return finding


GATE = "id: gate, approve: Wipe?, seats: [{role: tier-2}, {role: network-owner}]"
BLOCK = 'id: block, do: nftables.block_address, with: {address: "192.0.2.1", hours: 24}'
ASK = "id: scope, ask: Which?, fields: {hosts: {type: list}}, who: {role: tier-2}"
EVENT = "id: reply, wait: {event: mail.replied, key: m"


@pytest.mark.parametrize(
    ("old", "new", "finding", "sentence"),
    [
        (
            GATE + ", within: 30m",
            GATE + ", within: 8h",
            ("gate", "within", "weakened"),
            "'gate' waits for 8h instead of 30m.",
        ),
        (GATE, GATE + ", within: 1h", ("gate", "within", "strengthened"), "waits for 1h instead of 4h"),
        (
            GATE,
            GATE + ", by_severity: {critical: 15m}",
            ("gate", "by_severity", "strengthened"),
            "'gate' waits for 15m instead of 4h when the case is critical.",
        ),
        (
            GATE + ", by_severity: {critical: 15m}",
            GATE + ", by_severity: {critical: 1d}",
            ("gate", "by_severity", "weakened"),
            "waits for 1d instead of 15m when the case is critical.",
        ),
        (
            GATE,
            GATE + ", calendar: {zone: UTC}",
            ("gate", "calendar", "weakened"),
            "The time of 'gate' counts in business hours only.",
        ),
        (
            GATE + ", calendar: {zone: UTC}",
            GATE + ", calendar: {zone: UTC, to: '18:00'}",
            ("gate", "calendar", "changed"),
            "The time of 'gate' counts in other hours.",
        ),
        (
            GATE + ", calendar: {zone: UTC}",
            GATE,
            ("gate", "calendar", "strengthened"),
            "The time of 'gate' counts at all hours.",
        ),
        (GATE, GATE + ", late: hold", ("gate", "late", "weakened"), "it stays open (before: is denied)"),
        (
            GATE + ", late: hold",
            GATE + ", late: escalate",
            ("gate", "late", "strengthened"),
            "goes on to others",
        ),
        (
            GATE,
            GATE.replace(", {role: network-owner}", ""),
            ("gate", "seats", "weakened"),
            "asks tier-2; network-owner is dropped.",
        ),
        (
            GATE,
            GATE.replace("network-owner", "tier-2"),
            ("gate", "seats", "changed"),
            "asks 2 tier-2; network-owner is dropped; tier-2 is added.",
        ),
        (
            GATE.replace(", {role: network-owner}", ""),
            GATE,
            ("gate", "seats", "strengthened"),
            "asks network-owner and tier-2; network-owner is added.",
        ),
        (
            GATE,
            GATE.replace("Wipe?", "Sure?"),
            ("gate", "approve", "changed"),
            "asks “Sure?” instead of “Wipe?”.",
        ),
        (GATE, GATE + ', when: "1 > 2"', ("gate", "when", "weakened"), "is asked only when: 1 > 2"),
        (GATE + ', when: "1 > 2"', GATE, ("gate", "when", "strengthened"), "is always asked"),
        (
            GATE + ', when: "1 > 2"',
            GATE + ', when: "1 < 2"',
            ("gate", "when", "changed"),
            "is asked only when",
        ),
        (GATE, GATE + ", after: always", ("gate", "after", "changed"), "after always of what it needs"),
        (ASK, ASK + ", late: hold", ("scope", "late", "weakened"), "stays open (before: fails)"),
        (ASK, ASK + ", within: 5h", ("scope", "within", "weakened"), "waits for 5h"),
        (ASK, ASK.replace("tier-2", "analyst"), ("scope", "who", "changed"), "by analyst instead of tier-2"),
        (
            ASK,
            ASK + ", continue_on_failure: true",
            ("scope", "continue_on_failure", "weakened"),
            "goes on when",
        ),
        (
            EVENT + "}",
            EVENT + ", late: go_on}",
            ("reply", "wait", "weakened"),
            "is passed over (before: fails)",
        ),
        (
            EVENT + "}",
            EVENT + ", within: 25h}",
            ("reply", "wait", "weakened"),
            "waits for 1d1h instead of 1d",
        ),
        (
            BLOCK,
            BLOCK + ", using: edge",
            ("block", "using", "changed"),
            "connection edge instead of nftables",
        ),
        (
            BLOCK + ", undo: {do: nftables.block_address}",
            BLOCK + ', undo: {none: "No."}',
            ("block", "undo", "weakened"),
            "cannot be undone any more",
        ),
        (
            BLOCK + ", undo: {do: nftables.block_address}",
            BLOCK,
            ("block", "undo", "weakened"),
            "cannot be undone any more",
        ),
        (
            BLOCK + ", undo: {do: nftables.block_address}",
            BLOCK + ", undo: {do: disks.wipe}",
            ("block", "undo", "changed"),
            "in another way",
        ),
        (BLOCK + ", expires: 1h", BLOCK, ("block", "expires", "weakened"), "stays until it is undone"),
        (BLOCK + ", expires: 1h", BLOCK + ", expires: 2h", ("block", "expires", "weakened"), "after 2h"),
        (BLOCK, BLOCK + ", expires: 2h", ("block", "expires", "strengthened"), "ends by itself after 2h"),
        (
            BLOCK + ", secret_outputs: [changed]",
            BLOCK,
            ("block", "secret_outputs", "weakened"),
            "keeps nothing secret, and no longer changed",
        ),
        (
            'id: tell, do: reputation.lookup_address, with: {address: "192.0.2.1"}',
            'id: tell, do: notify.send, with: {address: "192.0.2.1"}',
            ("tell", "do", "weakened"),
            "does notify.send, whose effect is message (before: read)",
        ),
        ("id: other, run: one", "id: other, run: two", ("other", "run", "changed"), "runs the playbook two"),
        (
            "id: other, run: one",
            "id: other, run: one, detached: true",
            ("other", "detached", "weakened"),
            "not wait",
        ),
        (
            "id: all, each: [1], steps: [{id: note, set: {a: 1}}]",
            "id: all, each: [1], may_fail: 3, steps: [{id: note, set: {a: 1}}]",
            ("all", "may_fail", "weakened"),
            "3 items may fail (before: 0)",
        ),
        (
            "id: all, each: [1], at_once: 9, steps: [{id: note, set: {a: 1}}]",
            "id: all, each: [1], steps: [{id: note, set: {a: 1}}]",
            ("all", "at_once", "strengthened"),
            "takes 1 items at once (before: 9)",
        ),
        (
            'id: turns, repeat: {until: "true", most: 3}, steps: [{id: note, set: {a: 1}}]',
            'id: turns, repeat: {until: "true", most: 30}, steps: [{id: note, set: {a: 1}}]',
            ("turns", "repeat", "weakened"),
            "up to 30 turns (before: 3)",
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(value),
)
def test_what_is_weaker_is_said(old: str, new: str, finding: tuple[str, str, str], sentence: str) -> None:
    found = differences(plain(old), plain(new), CATALOGUE)
    assert finding in told(found)
    assert sentence in next(each.sentence for each in found.governance if each.key == finding[1])
    assert finding[1] not in {key.key for step in found.steps for key in step.keys}, "told once is enough"


def plain(step: str) -> dict[str, Any]:
    """The document of one step, which may name what only a whole playbook has."""
    return document(Playbook.model_validate(read_yaml(HEAD + f"  - {{{step}}}\n").data))


def test_a_gate_that_goes_is_told_first_and_with_what_it_guarded() -> None:
    found = changed(f"{GATE}\n{BLOCK}\nid: note, set: {{a: 1}}", f"{BLOCK}\nid: note, set: {{a: 2}}")
    assert told(found) == [("gate", "", "weakened"), ("block", "guard", "weakened")]
    assert found.governance[0].sentence == "Gate 'gate' is gone: nobody is asked “Wipe?” any more."
    assert (
        found.governance[1].sentence
        == "Step 'block' is behind no gate that always has to be granted (before: gate)."
    )
    assert [(each.step, each.change) for each in found.steps] == [
        ("block", "changed"),
        ("note", "changed"),
        ("gate", "removed"),
    ]


def test_a_new_gate_strengthens() -> None:
    found = changed(BLOCK, f"{GATE}\n{BLOCK}")
    assert told(found) == [("gate", "", "strengthened"), ("block", "guard", "strengthened")]
    assert found.governance[0].sentence == "Gate 'gate' is new: network-owner and tier-2 approve."


def test_a_step_that_goes_around_its_gate_is_told() -> None:
    found = changed(f"{GATE}\n{BLOCK}", f"{GATE}\n{BLOCK}, needs: []")
    assert told(found) == [("block", "guard", "weakened")]
    assert found.steps[0].keys == (KeyChange("needs", "changed", ["gate"], []),)


def test_a_step_that_comes_without_a_gate_is_told() -> None:
    found = changed("id: note, set: {a: 1}", f"id: note, set: {{a: 1}}\n{BLOCK}")
    assert told(found) == [("block", "guard", "weakened"), ("block", "", "changed")]
    assert (
        found.governance[1].sentence == "Step 'block' is new: nftables.block_address, whose effect is change."
    )


def test_another_gate_for_the_same_step_is_told() -> None:
    second = GATE.replace("id: gate", "id: second")
    found = changed(f"{GATE}\n{BLOCK}", f"{GATE}\n{second}\n{BLOCK}")
    assert ("block", "guard", "changed") in told(found)


def test_a_step_of_another_kind_is_gone_and_come() -> None:
    found = changed(f"{GATE}\n{BLOCK}", f"id: gate, set: {{a: 1}}\n{BLOCK}")
    assert told(found)[0] == ("gate", "", "weakened")
    assert {key.key for key in found.steps[0].keys} == {"set", "approve", "seats"}


def test_triggers_and_what_follows_a_failure_are_governance() -> None:
    new = BLOCK_ATTACKER.replace("on_failure: rollback", "on_failure: stop").replace(">= 70", ">= 10")
    found = changed(BLOCK_ATTACKER, new)
    assert told(found) == [("", "on_failure", "weakened"), ("", "triggers", "changed")]
    assert "alert.severity >= 10" in found.governance[1].sentence
    assert not found.steps


def test_what_is_inside_of_a_block_is_compared_by_its_id() -> None:
    old = "id: all, each: [1], steps: [{id: note, set: {a: 1}}, {id: more, set: {b: 1}}]"
    new = "id: more, set: {b: 1}\nid: all, each: [1], steps: [{id: note, set: {a: 2}}]"
    found = changed(old, new)
    by_step = {each.step: {key.key: (key.old, key.new) for key in each.keys} for each in found.steps}
    assert by_step["note"] == {"set": ({"a": 1}, {"a": 2})}
    assert by_step["more"]["inside"] == ("all", None)


def test_a_gate_inside_of_a_block_counts_as_any_other() -> None:
    inside = f"id: all, each: [1], steps: [{{{GATE}}}, {{{BLOCK}}}]"
    found = changed(inside, inside.replace(", {role: network-owner}", ""))
    assert told(found) == [("gate", "seats", "weakened")]
    found = changed(inside, f"id: all, each: [1], steps: [{{{BLOCK}}}]")
    assert told(found) == [("gate", "", "weakened"), ("block", "guard", "weakened")]


def test_another_order_of_steps_is_a_change() -> None:
    one, two = "id: one, needs: [], set: {a: 1}", "id: two, needs: [], set: {a: 1}"
    found = changed(f"{one}\n{two}", f"{two}\n{one}")
    assert found.steps[0].keys == (KeyChange("order", "changed", ["one", "two"], ["two", "one"]),)


def test_another_version_of_a_playbook_that_is_run_is_told() -> None:
    step = plain("id: other, run: one")
    pins = [{"one": {"number": number, "digest": str(number)}} for number in (1, 2)]
    found = differences(step, step, CATALOGUE, old_pins=pins[0], new_pins=pins[1])
    assert only(found).sentence == "Step 'other' runs version 2 of one instead of version 1."
    deeper = {"one": {"number": 1, "digest": "other"}}
    found = differences(step, step, CATALOGUE, old_pins=pins[0], new_pins=deeper)
    assert "which runs other versions of others" in only(found).sentence
    assert not differences(step, step, CATALOGUE, old_pins=pins[0], new_pins=pins[0]).governance


def test_texts_are_compared_by_line() -> None:
    said = text_differences("a\nb\nc\n", "a\nB\nc\n", old_name="version 1", new_name="version 2")
    assert said == "--- version 1\n+++ version 2\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"
    assert text_differences("a\n", "a\n", old_name="1", new_name="2") == ""


# ---- Whatever the playbooks --------------------------------------------------------------------------------------

ROLES = st.sampled_from(["tier-1", "tier-2", "network-owner"])
COMMON = {
    "title": st.sampled_from(["", "Some", "Other"]),
    "after": st.sampled_from(["success", "failure", "always"]),
    "when": st.sampled_from(["1 > 2", "inputs.a"]),
}
FORGIVEN = {"continue_on_failure": st.booleans()}
DURATION = st.sampled_from(["1h", "4h", "1d"])
TIME = {
    "within": DURATION,
    "by_severity": st.dictionaries(st.sampled_from(LEVELS), DURATION, min_size=1),
    "calendar": st.fixed_dictionaries({"zone": st.sampled_from(["UTC", "Asia/Kathmandu"])}),
}
KINDS = {
    "approve": (
        {
            "approve": st.sampled_from(["Go?", "Sure?"]),
            "seats": st.lists(st.fixed_dictionaries({"role": ROLES}), min_size=1, max_size=3),
        },
        {
            **TIME,
            "late": st.sampled_from(["deny", "escalate", "hold"]),
            "show": st.just(["s0"]),
        },
    ),
    "ask": (
        {
            "ask": st.just("Which?"),
            "fields": st.just({"a": {"type": "list"}}),
            "who": st.fixed_dictionaries({"role": ROLES}),
        },
        {**TIME, "late": st.sampled_from(["fail", "hold"]), **FORGIVEN},
    ),
    "do": (
        {"do": st.sampled_from([*sorted(CATALOGUE), "no.such"])},
        {
            "with": st.dictionaries(st.sampled_from(["a", "b"]), st.booleans() | st.integers(0, 1)),
            "using": st.sampled_from(["edge", "core"]),
            "undo": st.sampled_from([{"none": "No."}, {"do": "disks.wipe"}]),
            "expires": DURATION,
            "secret_outputs": st.lists(st.sampled_from(["a", "b"]), unique=True),
            "retry": st.just({"times": 2}),
            **FORGIVEN,
        },
    ),
    "wait": (
        {
            "wait": st.sampled_from([{"for": "1h"}, {"event": "e", "key": "k"}])
            | st.fixed_dictionaries(
                {
                    "event": st.just("e"),
                    "key": st.sampled_from("kl"),
                    "within": DURATION,
                    "late": st.just("go_on"),
                }
            )
        },
        FORGIVEN,
    ),
    "run": ({"run": st.sampled_from(["one", "two"])}, {"detached": st.booleans(), **FORGIVEN}),
    "set": ({"set": st.dictionaries(st.sampled_from(["a", "b"]), st.integers(0, 2), min_size=1)}, FORGIVEN),
}


@st.composite
def in_blocks(draw: st.DrawFn, steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last of the steps perhaps inside of a block, where they need only each other."""
    cut = draw(st.integers(0, len(steps)))
    inner = steps[cut:]
    ids = {each["id"] for each in inner}
    if not inner:
        return steps
    held = [{**each, "needs": [need for need in each["needs"] if need in ids]} for each in inner]
    block = {"id": "block", "needs": [], "each": [1], "may_fail": draw(st.integers(0, 2)), "steps": held}
    return [*steps[:cut], block]


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Sound in shape and order; what only a catalogue can tell does not matter here."""
    ids = draw(st.permutations([f"s{number}" for number in range(5)]))[: draw(st.integers(1, 5))]
    steps = []
    for position, step_id in enumerate(ids):
        needed, optional = KINDS[draw(st.sampled_from(sorted(KINDS)))]
        body = draw(st.fixed_dictionaries(needed, optional={**COMMON, **optional}))
        needs = draw(st.lists(st.sampled_from(ids[:position]), unique=True)) if position else []
        steps.append({"id": step_id, "needs": needs, **body})
    top = {
        "triggers": st.lists(
            st.fixed_dictionaries({"alert": st.sampled_from(["true", "false"])}), max_size=2
        ),
        "on_failure": st.sampled_from(["stop", "rollback"]),
        "outputs": st.dictionaries(st.sampled_from(["a", "b"]), st.integers(0, 1)),
        "description": st.sampled_from(["", "x"]),
    }
    whole = {"playbook": "sample", "title": "A sample", "steps": draw(in_blocks(steps))}
    return document(Playbook.model_validate({**whole, **draw(st.fixed_dictionaries({}, optional=top))}))


def values(found: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """(step, key) -> value of everything that is written, apart from the order of the steps."""
    side = side_of(found, {})
    flat = {("", key): value for key, value in found.items() if key != "steps"}
    for step_id, step in side.steps.items():
        flat |= {(step_id, key): value for key, value in step.items() if key not in {"id", "steps"}}
    return flat


@given(documents())
def test_a_document_does_not_differ_from_itself(found: dict[str, Any]) -> None:
    assert differences(found, deepcopy(found), CATALOGUE) == Differences((), ())


@given(documents(), documents())
def test_every_change_is_told(old: dict[str, Any], new: dict[str, Any]) -> None:
    found = differences(old, new, CATALOGUE)
    keys = {(step.step, key.key): (key.old, key.new) for step in found.steps for key in step.keys}
    known = {(each.step, each.key) for each in found.governance} | keys.keys()
    was, now = values(old), values(new)
    for place in was.keys() | now.keys():
        if canonical(was.get(place)) != canonical(now.get(place)):
            assert place in known
            if place in keys:
                assert keys[place] == (was.get(place), now.get(place))
    assert (found == Differences((), ())) == (canonical(old) == canonical(new))


@given(documents(), documents())
def test_what_is_weaker_comes_first_and_looking_back_nothing_is_lost(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    there, back = differences(old, new, CATALOGUE), differences(new, old, CATALOGUE)
    ranks = [list(Severity).index(each.severity) for each in there.governance]
    assert ranks == sorted(ranks)
    assert bool(there.steps or there.governance) == bool(back.steps or back.governance)
