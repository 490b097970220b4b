"""A rollback undoes what really changed, in reverse of what really depended on it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from playbooks.domain.rollback import Done, UndoCall, rollback_plan

CALL = UndoCall("nftables.unblock_address", "edge-firewall", 1, {"address": "203.0.113.9"})


def done(
    key: str, *needs: str, changed: bool = True, effect: str = "change", undo: UndoCall | str = CALL
) -> Done:
    return Done(key, needs, effect, changed, undo)


@st.composite
def histories(draw: st.DrawFn) -> list[Done]:
    size = draw(st.integers(1, 12))
    return [
        done(
            f"s{index}",
            *(draw(st.sets(st.sampled_from([f"s{i}" for i in range(index)]), max_size=3)) if index else ()),
            changed=draw(st.booleans()),
            effect=draw(st.sampled_from(["read", "message", "change", "destroy"])),
            undo=draw(st.sampled_from([CALL, "It cannot be undone."])),
        )
        for index in range(size)
    ]


def ancestors(steps: list[Done]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for step in steps:
        found[step.key] = set(step.needs).union(*(found[need] for need in step.needs))
    return found


@given(histories(), st.randoms())
def test_the_order_is_a_reverse_topological_order_of_what_changed(steps: list[Done], random: object) -> None:
    needs = {step.key: step.needs for step in steps}
    shuffled = list(steps)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    plan = rollback_plan(shuffled, all_needs=needs)
    before = ancestors(steps)
    order = [each.key for each in plan.undoings]
    for position, undoing in enumerate(plan.undoings):
        later = {key for key in order if undoing.key in before[key]}
        assert set(undoing.needs) == later
        assert later <= set(order[:position])


@given(histories())
def test_only_what_changed_is_undone_and_what_cannot_be_is_listed(steps: list[Done]) -> None:
    plan = rollback_plan(steps, all_needs={step.key: step.needs for step in steps})
    changed = {step.key for step in steps if step.changed and step.effect != "read"}
    undone, listed = {each.key for each in plan.undoings}, {key for key, _ in plan.irreversible}
    assert undone | listed == changed
    assert not undone & listed


def test_the_order_holds_through_steps_that_changed_nothing() -> None:
    steps = [done("first"), done("look", "first", effect="read"), done("second", "look")]
    plan = rollback_plan(steps, all_needs={step.key: step.needs for step in steps})
    assert [(each.key, each.needs) for each in plan.undoings] == [("second", ()), ("first", ("second",))]


def test_another_plan_has_another_digest() -> None:
    needs: dict[str, tuple[str, ...]] = {"a": (), "b": ("a",)}
    one = rollback_plan([done("a"), done("b", "a")], all_needs=needs)
    other = rollback_plan([done("a"), done("b", "a", changed=False)], all_needs=needs)
    assert one.digest != other.digest
    assert one.digest == rollback_plan([done("a"), done("b", "a")], all_needs=needs).digest
