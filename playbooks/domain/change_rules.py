"""One rule for each thing that may change in a step that stays of its kind, as findings for a reviewer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from playbooks.domain.actions import Catalogue, Effect, Undo
from playbooks.domain.deadlines import LEVELS, time_named
from playbooks.domain.durations import duration_text, parse_duration
from playbooks.domain.seat_names import seat_name


class Severity(StrEnum):
    WEAKENED = "weakened"  # somebody is asked less, or less can be taken back
    CHANGED = "changed"
    STRENGTHENED = "strengthened"


@dataclass(frozen=True, slots=True)
class Governance:
    """One finding. `old` and `new` are the values of the document's `key`; None where it is not written.

    `step` is empty for the playbook itself, `key` for a step as a whole; the keys `guard` and `pins` are in no text.
    """

    step: str
    key: str
    severity: Severity
    sentence: str
    old: Any = None
    new: Any = None


Step = Mapping[str, Any]  # as a document has it
Findings = Iterator[Governance]
Rule = Callable[[Step, Step, Catalogue], Findings]  # the older step, the newer one


# ---- Who is asked -------------------------------------------------------------------------------------------------


def _changed_seats(old: Step, new: Step, _: Catalogue) -> Findings:
    was, now = roles_of(old), roles_of(new)
    dropped, added = was - now, now - was
    if not dropped and not added:
        return
    if dropped.total() > added.total():
        severity = Severity.WEAKENED
    else:
        severity = Severity.STRENGTHENED if not dropped else Severity.CHANGED
    sentence = f"Gate '{new['id']}' asks {listed_seats(now)}"
    sentence += (
        f"; {listed_seats(dropped)} {'is' if dropped.total() == 1 else 'are'} dropped" if dropped else ""
    )
    sentence += f"; {listed_seats(added)} {'is' if added.total() == 1 else 'are'} added" if added else ""
    yield Governance(new["id"], "seats", severity, sentence + ".", old["seats"], new["seats"])


def _more_denials(old: Step, new: Step, _: Catalogue) -> Findings:
    was, now = old.get("deny", 1), new.get("deny", 1)
    if was != now:
        severity = Severity.WEAKENED if now > was else Severity.STRENGTHENED
        sentence = f"Gate '{new['id']}' is denied by {now} denial{'s' if now > 1 else ''} instead of {was}."
        yield Governance(new["id"], "deny", severity, sentence, old.get("deny"), new.get("deny"))


def _goes_on_to(old: Step, new: Step, _: Catalogue) -> Findings:
    was, now = old.get("to", []), new.get("to", [])
    if was != now:
        who = listed([seat_name(each) for each in now]) or "nobody else"
        sentence = f"When gate '{new['id']}' is late, it goes on to {who}."
        yield Governance(new["id"], "to", Severity.CHANGED, sentence, was or None, now or None)


def _shown_less(old: Step, new: Step, _: Catalogue) -> Findings:
    was, now = old.get("show", []), new.get("show", [])
    if was == now:
        return
    lost = [each for each in was if each not in now]
    severity = (
        Severity.WEAKENED if lost else Severity.STRENGTHENED if len(now) > len(was) else Severity.CHANGED
    )
    sentence = (
        f"Who decides at '{new['id']}' is shown what {listed(now)} gave"
        if now
        else f"'{new['id']}' shows nothing"
    )
    sentence += f", and no longer what {listed(lost)} gave." if lost else "."
    yield Governance(new["id"], "show", severity, sentence, was or None, now or None)


def _same_question(kind: str) -> Rule:
    def rule(old: Step, new: Step, _: Catalogue) -> Findings:
        if old[kind] != new[kind]:
            sentence = f"'{new['id']}' asks “{new[kind]}” instead of “{old[kind]}”."
            yield Governance(new["id"], kind, Severity.CHANGED, sentence, old[kind], new[kind])

    return rule


def _other_person(old: Step, new: Step, _: Catalogue) -> Findings:
    if old["who"] != new["who"]:
        sentence = f"'{new['id']}' is answered by {new['who']['role']} instead of {old['who']['role']}."
        yield Governance(new["id"], "who", Severity.CHANGED, sentence, old["who"], new["who"])


def _end_that_it_follows(old: Step, new: Step, _: Catalogue) -> Findings:
    was, now = old.get("after", "success"), new.get("after", "success")
    if was != now:
        sentence = f"Gate '{new['id']}' is asked after {now} of what it needs instead of {was}."
        yield Governance(new["id"], "after", Severity.CHANGED, sentence, was, now)


def _condition(old: Step, new: Step, _: Catalogue) -> Findings:
    was, now = old.get("when"), new.get("when")
    if was == now:
        return
    if now is None:
        yield Governance(
            new["id"], "when", Severity.STRENGTHENED, f"Gate '{new['id']}' is always asked.", was, now
        )
        return
    severity = Severity.WEAKENED if was is None else Severity.CHANGED
    yield Governance(new["id"], "when", severity, f"Gate '{new['id']}' is asked only when: {now}", was, now)


_LATE = {
    "deny": (3, "is denied"),
    "fail": (3, "fails"),
    "escalate": (2, "goes on to others"),
    "hold": (1, "stays open"),
    "go_on": (0, "is passed over"),
}


def _deadline(within: str, late: str) -> Rule:
    """A rule for `within` and `late` of a gate or a question, with the values that hold where none is written."""

    def rule(old: Step, new: Step, _: Catalogue) -> Findings:
        yield from _within(new["id"], "within", (old.get("within", within), new.get("within", within)))
        yield from _by_severity(old, new, within)
        yield from _hours(new["id"], old.get("calendar"), new.get("calendar"))
        yield from _late(new["id"], "late", (old.get("late", late), new.get("late", late)))

    return rule


def _event(old: Step, new: Step, _: Catalogue) -> Findings:
    """The same for a wait, whose keys are one level further down."""
    was, now = old["wait"], new["wait"]
    if "event" not in was or "event" not in now:
        return
    found = [
        *_within(new["id"], "wait", (was.get("within", "1d"), now.get("within", "1d"))),
        *_late(new["id"], "wait", (was.get("late", "fail"), now.get("late", "fail"))),
    ]
    for each in found:
        yield Governance(each.step, each.key, each.severity, each.sentence, was, now)


def _within(step: str, key: str, values: tuple[str, str]) -> Findings:
    old, new = values
    if old != new:
        longer = parse_duration(new) > parse_duration(old)
        severity = Severity.WEAKENED if longer else Severity.STRENGTHENED
        yield Governance(step, key, severity, f"'{step}' waits for {new} instead of {old}.", old, new)


def _by_severity(old: Step, new: Step, within: str) -> Findings:
    """What changes for the levels of severity beside the time that is given otherwise."""
    key = "by_severity"
    was, now = old.get(key, {}), new.get(key, {})
    for level in LEVELS if was != now else ():
        before, after = (
            duration_text(time_named(each.get("within", within), named, level))
            for each, named in ((old, was), (new, now))
        )
        for found in _within(new["id"], key, (before, after)):
            sentence = f"{found.sentence.rstrip('.')} when the case is {level}."
            yield Governance(found.step, key, found.severity, sentence, was or None, now or None)


def _hours(step: str, was: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> Findings:
    if was == now:
        return
    severity, sentence = Severity.CHANGED, f"The time of '{step}' counts in other hours."
    if was is None:
        severity, sentence = Severity.WEAKENED, f"The time of '{step}' counts in business hours only."
    elif now is None:
        severity, sentence = Severity.STRENGTHENED, f"The time of '{step}' counts at all hours."
    yield Governance(step, "calendar", severity, sentence, was, now)


def _late(step: str, key: str, values: tuple[str, str]) -> Findings:
    old, new = values
    if old != new:
        weaker = _LATE[new][0] < _LATE[old][0]
        severity = Severity.WEAKENED if weaker else Severity.STRENGTHENED
        sentence = f"When '{step}' is late, it {_LATE[new][1]} (before: {_LATE[old][1]})."
        yield Governance(step, key, severity, sentence, old, new)


# ---- What is done -------------------------------------------------------------------------------------------------


def _other_effect(old: Step, new: Step, catalogue: Catalogue) -> Findings:
    was, now = effect_of(old, catalogue), effect_of(new, catalogue)
    if was == now:
        return
    severity = Severity.CHANGED
    if was and now:
        rank = list(Effect)
        severity = Severity.WEAKENED if rank.index(now) > rank.index(was) else Severity.STRENGTHENED
    effects = f"whose effect is {now or 'not known'} (before: {was or 'not known'})"
    sentence = f"Step '{new['id']}' does {new['do']}, {effects}."
    yield Governance(new["id"], "do", severity, sentence, old["do"], new["do"])


def _other_connection(old: Step, new: Step, _: Catalogue) -> Findings:
    was, now = (each.get("using") or each["do"].partition(".")[0] for each in (old, new))
    if was != now:
        sentence = f"Step '{new['id']}' goes through the connection {now} instead of {was}."
        yield Governance(new["id"], "using", Severity.CHANGED, sentence, old.get("using"), new.get("using"))


def _way_back(old: Step, new: Step, catalogue: Catalogue) -> Findings:
    was, now = (_can_be_undone(each, catalogue) for each in (old, new))
    if was == now and old.get("undo") == new.get("undo"):
        return
    if was == now:
        severity, sentence = Severity.CHANGED, f"Step '{new['id']}' is undone in another way."
    elif was:
        severity, sentence = Severity.WEAKENED, f"Step '{new['id']}' cannot be undone any more."
    else:
        severity, sentence = Severity.STRENGTHENED, f"Step '{new['id']}' can be undone now."
    yield Governance(new["id"], "undo", severity, sentence, old.get("undo"), new.get("undo"))


def _expiry(old: Step, new: Step, _: Catalogue) -> Findings:
    was, now = old.get("expires"), new.get("expires")
    if was == now:
        return
    shorter = was is None or (now is not None and parse_duration(now) < parse_duration(was))
    severity = Severity.STRENGTHENED if shorter else Severity.WEAKENED
    sentence = f"What '{new['id']}' does " + (
        f"ends by itself after {now}." if now else "stays until it is undone."
    )
    yield Governance(new["id"], "expires", severity, sentence, was, now)


def _secrets(old: Step, new: Step, _: Catalogue) -> Findings:
    was, now = old.get("secret_outputs", []), new.get("secret_outputs", [])
    if {*was} == {*now}:
        return
    open_now = sorted({*was} - {*now})
    severity = Severity.WEAKENED if open_now else Severity.STRENGTHENED
    sentence = f"Step '{new['id']}' keeps {listed(now) if now else 'nothing'} secret"
    sentence += f", and no longer {listed(open_now)}." if open_now else "."
    yield Governance(new["id"], "secret_outputs", severity, sentence, was or None, now or None)


def _other_playbook(old: Step, new: Step, _: Catalogue) -> Findings:
    if old["run"] != new["run"]:
        sentence = f"Step '{new['id']}' runs the playbook {new['run']} instead of {old['run']}."
        yield Governance(new["id"], "run", Severity.CHANGED, sentence, old["run"], new["run"])


def _no_more_than(key: str, ordinary: int, sentence: str) -> Rule:
    """A rule for a number that bounds what can go wrong. `sentence` takes the step's id and the number."""

    def rule(old: Step, new: Step, _: Catalogue) -> Findings:
        was, now = old.get(key, ordinary), new.get(key, ordinary)
        if was != now:
            severity = Severity.WEAKENED if now > was else Severity.STRENGTHENED
            text = sentence.format(new["id"], now) + f" (before: {was})."
            yield Governance(new["id"], key, severity, text, old.get(key), new.get(key))

    return rule


def _turns(old: Step, new: Step, _: Catalogue) -> Findings:
    was, now = old["repeat"]["most"], new["repeat"]["most"]
    if was != now:
        severity = Severity.WEAKENED if now > was else Severity.STRENGTHENED
        sentence = f"'{new['id']}' takes up to {now} turns (before: {was})."
        yield Governance(new["id"], "repeat", severity, sentence, old["repeat"], new["repeat"])


def _switch(key: str, on: str, off: str) -> Rule:
    """A rule for a flag that weakens where it is on. The sentences take the step's id."""

    def rule(old: Step, new: Step, _: Catalogue) -> Findings:
        was, now = old.get(key, False), new.get(key, False)
        if was != now:
            severity = Severity.WEAKENED if now else Severity.STRENGTHENED
            yield Governance(new["id"], key, severity, (on if now else off).format(new["id"]), was, now)

    return rule


# ---- What the rules look at ---------------------------------------------------------------------------------------


def effect_of(step: Step, catalogue: Catalogue) -> Effect | None:
    """None for what does nothing to the world, and for an action that the catalogue does not have."""
    action = catalogue.get(step.get("do", ""))
    return action.effect if action else None


def roles_of(gate: Step) -> Counter[str]:
    """How many seats a gate has for each role."""
    return Counter(seat_name(each) for each in gate["seats"])


def listed_seats(roles: Counter[str]) -> str:
    return listed([f"{count} {role}" if count > 1 else role for role, count in sorted(roles.items())])


def listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def _can_be_undone(step: Step, catalogue: Catalogue) -> bool:
    if "undo" in step:
        return "none" not in step["undo"]
    action = catalogue.get(step["do"])
    return action is not None and isinstance(action.undo, Undo)


_FORGIVEN = _switch(
    "continue_on_failure", "The run goes on when '{}' fails.", "The run stops when '{}' fails."
)
RULES: Mapping[str, tuple[Rule, ...]] = {
    "approve": (
        _changed_seats,
        _more_denials,
        _goes_on_to,
        _deadline("4h", "deny"),
        _condition,
        _shown_less,
        _same_question("approve"),
        _end_that_it_follows,
    ),
    "ask": (_deadline("4h", "fail"), _other_person, _same_question("ask"), _FORGIVEN),
    "do": (_other_effect, _other_connection, _way_back, _expiry, _secrets, _FORGIVEN),
    "run": (
        _other_playbook,
        _switch("detached", "The run does not wait for '{}'.", "The run waits for '{}'."),
        _FORGIVEN,
    ),
    "wait": (_event, _FORGIVEN),
    "each": (
        _no_more_than("may_fail", 0, "In '{}', {} items may fail"),
        _no_more_than("at_once", 1, "'{}' takes {} items at once"),
        _FORGIVEN,
    ),
    "repeat": (_turns, _FORGIVEN),
    "set": (_FORGIVEN,),
    "script": (_secrets, _FORGIVEN),
}
