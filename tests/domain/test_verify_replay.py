"""Replaying approvals: what the rules forbid cannot have happened, whatever the entries say."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from playbooks.domain.canonical import canonical, digest
from playbooks.domain.duties import denials
from playbooks.domain.duty_facts import Decider, Facts
from playbooks.domain.entries import Body
from playbooks.domain.replay import ContradictionError, Replay
from playbooks.domain.seats import Seat

PARAMETERS = {"address": "203.0.113.9", "share": 0.5}
SENT = {"action": "edge.block", "connection": "edge", "connection_revision": 3, "simulated": False}
BLOCK = {
    "step": "block",
    "action": "edge.block",
    "connection": {"id": "c", "name": "edge", "revision": 3},
    "parameters": PARAMETERS,
    "simulated": False,
}
SUBJECT = {
    "seats": ["tier-2"],
    "profile": "team",
    "covered": [BLOCK],
    "not_covered": ["hosts[*].later"],
}
DIGEST = digest(SUBJECT)
Story = list[tuple[str, str, dict[str, Any]]]  # verb, actor, facts


def duty(person: str, role: str = "tier-2") -> Facts:
    return Facts(
        decider=Decider(person, person.title(), True, True, False, False, frozenset({role})),
        verdict="approve",
        status="open",
        seats=(Seat("tier-2"),),
        requesters={"analyst": "Analyst"},
        authors={"author": "Author"},
        approvals={},
        deciders=frozenset(),
        shown_digest=DIGEST,
        current_digest=DIGEST,
    )


def decision(person: str, role: str = "tier-2") -> dict[str, Any]:
    return {
        "request": "q",
        "verdict": "approve",
        "digest": DIGEST,
        "duty_facts": duty(person, role).as_json(),
    }


def refused(person: str, role: str = "tier-2") -> dict[str, Any]:
    why = [{"rule": each.rule, "sentence": each.sentence} for each in denials(duty(person, role))]
    return {**decision(person, role), "rule": why[0]["rule"] if why else "", "denials": why}


def story() -> Story:
    opened = {
        "request": "q",
        "step": "gate",
        "digest": DIGEST,
        "subject": canonical(SUBJECT).decode(),
        "seats": [{"role": "tier-2"}],
        "covered": ["block"],
        "requesters": {"analyst": "Analyst"},
        "authors": {"author": "Author"},
        "profile": "team",
        "through": {},
    }
    return [
        ("run.started", "analyst", {"requesters": {"analyst": "Analyst"}}),
        ("request.opened", "system", opened),
        ("decision.refused", "analyst", refused("analyst")),
        ("decision.refused", "nobody", {"request": "q", "duty_facts": None}),
        ("decision.made", "tier2", decision("tier2")),
        ("request.granted", "tier2", {"request": "q", "digest": DIGEST, "approvers": ["tier2"]}),
        ("request.consumed", "worker", {"request": "q", "digest": DIGEST, "step": "block"}),
        ("step.claimed", "worker", claim("block", DIGEST)),
        ("step.claimed", "worker", claim("look", effect="read")),
        ("step.claimed", "worker", claim("tell", effect="message")),
    ]


def claim(step: str, *digests: str, effect: str = "destroy") -> dict[str, Any]:
    sent = {**SENT, "parameters_digest": digest(PARAMETERS)}
    return {"step": step, "round": 0, "effect": effect, "subject_digests": list(digests), **sent}


def replay(entries: Story) -> Replay:
    result = Replay()
    for number, (verb, actor, facts) in enumerate(entries, 1):
        result.feed(Body("run", "r", number, "", "", actor, actor, verb, "run", "r", "r", "done", facts))
    result.finish()
    return result


def test_an_honest_story_replays() -> None:
    told = replay(story())
    assert (told.decisions, told.refusals, told.approved_actions, told.other_actions) == (1, 1, 1, 1)


def both(*changes: Callable[[Story], None]) -> Callable[[Story], None]:
    def change(entries: Story) -> None:
        for each in changes:
            each(entries)

    return change


def without(verb: str) -> Callable[[Story], None]:
    def change(entries: Story) -> None:
        entries[:] = [each for each in entries if each[0] != verb]

    return change


def with_fact(verb: str, path: str, value: Any) -> Callable[[Story], None]:
    def change(entries: Story) -> None:
        facts = next(facts for each, _, facts in entries if each == verb)
        *parents, last = path.split(".")
        for parent in parents:
            facts = facts[parent]
        facts[last] = value

    return change


def decided_by(person: str, role: str = "tier-2") -> Callable[[Story], None]:
    def change(entries: Story) -> None:
        entries[4] = ("decision.made", person, decision(person, role))

    return change


def then(verb: str, before: str = "step.claimed", **facts: Any) -> Callable[[Story], None]:
    def change(entries: Story) -> None:
        at = next(number for number, each in enumerate(entries) if each[0] == before)
        entries.insert(at, (verb, "system", {"request": "q", **facts}))

    return change


LIES: dict[str, tuple[Callable[[Story], None], str]] = {
    "the requester approved": (decided_by("analyst"), "duty rules forbid"),
    "the author approved": (decided_by("author"), "duty rules forbid"),
    "somebody without the role approved": (decided_by("helper", "tier-1"), "duty rules forbid"),
    "nobody approved": (without("decision.made"), "without its quorum"),
    "a profile that was not shown": (
        with_fact("request.opened", "profile", "solo"),
        "the one that was shown",
    ),
    "another profile in the facts": (
        with_fact("decision.made", "duty_facts.profile", "pair"),
        "profile is not that of the request",
    ),
    "a confirmation in a team": (
        both(
            with_fact("decision.made", "duty_facts.verdict", "confirm"),
            with_fact("decision.made", "verdict", "confirm"),
        ),
        "called approved, or the other way",
    ),
    "nobody asked": (without("request.opened"), "never opened"),
    "it was never granted": (without("request.granted"), "is open is used"),
    "a granted request is not used, yet it ran": (then("request.voided"), "no granted request stands"),
    "another decider": (with_fact("decision.made", "duty_facts.decider.id", "somebody"), "not who decided"),
    "other roles for the seats": (with_fact("decision.made", "duty_facts.seats", [{"role": "x"}]), "forbid"),
    "the requesters were dropped": (with_fact("decision.made", "duty_facts.requesters", {}), "requesters"),
    "those were dropped through whom it began": (
        with_fact("request.opened", "through", {"publisher": "Publisher"}),
        "through whom it began",
    ),
    "the authors were dropped": (with_fact("decision.made", "duty_facts.authors", {}), "authors"),
    "asked without its requester": (with_fact("request.opened", "requesters", {}), "among its requesters"),
    "another digest": (with_fact("request.opened", "digest", "00" * 32), "digest of the request"),
    "another subject": (with_fact("request.opened", "subject", "{}"), "digest of the request"),
    "more covered than shown": (with_fact("request.opened", "covered", ["block", "x"]), "covered steps"),
    "fewer seats than shown": (with_fact("request.opened", "seats", []), "seats are not those"),
    "other approvers": (with_fact("request.granted", "approvers", ["x"]), "approvers are not those"),
    "it ran without naming its approval": (with_fact("step.claimed", "subject_digests", []), "ran although"),
    "it ran under another digest": (
        with_fact("step.claimed", "subject_digests", ["00"]),
        "no granted request",
    ),
    "another step ran under it": (with_fact("step.claimed", "step", "other"), "no granted request stands"),
    "it ran with other parameters": (
        with_fact("step.claimed", "parameters_digest", digest({"address": "198.51.100.7"})),
        "otherwise than was approved",
    ),
    "it ran somewhere else": (
        with_fact("step.claimed", "connection", "other"),
        "otherwise than was approved",
    ),
    "it ran after the connection was changed": (
        with_fact("step.claimed", "connection_revision", 4),
        "otherwise than was approved",
    ),
    "another action ran": (with_fact("step.claimed", "action", "edge.wipe"), "otherwise than was approved"),
    "it was real, and a simulation was approved": (
        with_fact("step.claimed", "simulated", True),
        "otherwise than was approved",
    ),
    "whoever answered a question is no requester": (
        lambda entries: entries.insert(1, ("question.answered", "tier2", {"question": "w"})),
        "among its requesters",
    ),
    "the refusal had other reasons": (with_fact("decision.refused", "denials", []), "other reasons"),
    "the refusal named another rule": (with_fact("decision.refused", "rule", "closed"), "first rule"),
    "a fact is missing": (with_fact("decision.made", "duty_facts", {}), "lacks a fact"),
    "a fact is no JSON of the right kind": (with_fact("request.opened", "seats", 5), "lacks a fact"),
    "it expired before it was granted": (then("request.expired", "request.granted"), "is expired is granted"),
    "it was denied by nobody": (then("request.denied", "request.granted"), "denied by fewer people"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_story_that_cannot_have_happened_is_found(lie: str) -> None:
    change, sentence = LIES[lie]
    entries = copy.deepcopy(story())
    change(entries)
    with pytest.raises(ContradictionError, match=sentence):
        replay(entries)


def test_a_refusal_that_the_rules_do_not_support_is_found() -> None:
    entries = story()
    entries[2] = ("decision.refused", "tier2", {**refused("tier2"), "rule": "closed"})
    with pytest.raises(ContradictionError, match="allow this decision"):
        replay(entries)


def test_a_quorum_that_was_never_granted_is_found() -> None:
    with pytest.raises(ContradictionError, match="no entry says that it was granted"):
        replay(story()[:5])


def test_a_step_may_not_pass_a_gate_whose_request_is_open() -> None:
    entries = [*story()[:2], ("step.claimed", "worker", claim("block"))]
    with pytest.raises(ContradictionError, match="ran although its request at gate is open"):
        replay(entries)


def test_a_turn_that_was_in_no_list_may_not_run_without_an_approval() -> None:
    about = {**SUBJECT, "covered": [{**BLOCK, "step": "hosts[0].block"}]}
    opened = {
        **story()[1][2],
        "subject": canonical(about).decode(),
        "digest": digest(about),
        "covered": ["hosts[0].block"],
    }
    entries = [story()[0], ("request.opened", "system", opened)]
    replay([*entries, ("step.claimed", "worker", claim("hosts[3].later"))])
    with pytest.raises(ContradictionError, match="hid it"):
        replay([*entries, ("step.claimed", "worker", claim("hosts[1].block"))])


def test_a_request_too_large_for_an_entry_covers_what_its_digest_says() -> None:
    entries = copy.deepcopy(story())
    opened = entries[1][2]
    opened |= {"subject": {"sha256": DIGEST, "bytes": 70_000}, "covered": {"sha256": "00", "bytes": 60_000}}
    assert replay(entries).approved_actions == 1
