"""What a change of a policy does to governance, in sentences for a reviewer: what weakens it comes first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from playbooks.domain.change_rules import Findings, Governance, Severity
from playbooks.domain.policies.document import Limit, Permit, Policy, Provisional, SeatAsked

WEAKENED, CHANGED, STRENGTHENED = Severity.WEAKENED, Severity.CHANGED, Severity.STRENGTHENED


def governance_of(old: Policy | None, new: Policy) -> tuple[Governance, ...]:
    """Every finding. Without an older policy everything that it asks is new."""
    found = [*_condition(old, new), *_seats(old, new), *_forbids(old, new), *_step_up(old, new)]
    found += [*_limit(old, new), *_notify(old, new), *_permit(old, new), *_provisional(old, new)]
    rank = list(Severity)
    return tuple(sorted(found, key=lambda each: rank.index(each.severity)))


def _of(key: str, severity: Severity, sentence: str, old: object, new: object) -> Governance:
    return Governance("", key, severity, sentence, old, new)


def _condition(old: Policy | None, new: Policy) -> Findings:
    if old is None:
        return
    if old.when != new.when:
        yield _of("when", CHANGED, f"It applies to other actions: when {new.when}", old.when, new.when)
    if old.calendar != new.calendar:
        before, after = (each.model_dump(by_alias=True, mode="json") for each in (old.calendar, new.calendar))
        yield _of("calendar", CHANGED, "Its calendar is another one.", before, after)


def _seats(old: Policy | None, new: Policy) -> Iterator[Governance]:
    was: Sequence[SeatAsked] = old.require.seats if old and old.require else ()
    now: Sequence[SeatAsked] = new.require.seats if new.require else ()
    before, after = Counter(each.name for each in was), Counter(each.name for each in now)
    for role in sorted((before - after).elements()):
        yield _of("require", WEAKENED, f"It asks for no {role} any more.", role, None)
    for role in sorted((after - before).elements()):
        yield _of("require", STRENGTHENED, f"It asks for one more: {role}.", None, role)
    for role in sorted(before.keys() & after.keys()):
        old_ways, new_ways = _ways(was, role), _ways(now, role)
        if wider := sorted(new_ways - old_ways):
            sentence = f"A gate's seat for {' or '.join(wider)} will do for {role} as well."
            yield _of("require", WEAKENED, sentence, sorted(old_ways), sorted(new_ways))
        if narrower := sorted(old_ways - new_ways):
            sentence = f"A gate's seat for {' or '.join(narrower)} does for {role} no more."
            yield _of("require", STRENGTHENED, sentence, sorted(old_ways), sorted(new_ways))


def _ways(seats: Sequence[SeatAsked], role: str) -> set[str]:
    return {way for each in seats if each.name == role for way in each.met_by}


def _forbids(old: Policy | None, new: Policy) -> Findings:
    was = old.forbid if old else None
    if was == new.forbid:
        return
    if new.forbid is None:
        yield _of("forbid", WEAKENED, "It forbids nothing any more.", was, None)
    elif was is None:
        yield _of("forbid", STRENGTHENED, f"It forbids what it applies to: {new.forbid}", None, new.forbid)
    else:
        yield _of("forbid", CHANGED, f"It forbids with another sentence: {new.forbid}", was, new.forbid)


def _step_up(old: Policy | None, new: Policy) -> Findings:
    was = bool(old and old.step_up)
    if was != new.step_up:
        severity = STRENGTHENED if new.step_up else WEAKENED
        sentence = (
            "An approval takes a fresh second factor."
            if new.step_up
            else "An approval takes no second factor any more."
        )
        yield _of("step_up", severity, sentence, was, new.step_up)


def _limit(old: Policy | None, new: Policy) -> Findings:
    was, now = old.limit if old else None, new.limit
    if was == now:
        return
    if now is None:
        yield _of("limit", WEAKENED, "There is no limit to how many targets are changed.", _plain(was), None)
    elif was is None:
        sentence = f"Past {now.targets} targets in one {now.within} seats are asked."
        yield _of("limit", STRENGTHENED, sentence, None, _plain(now))
    else:
        more = now.targets > was.targets and now.within == was.within
        less = now.targets < was.targets and now.within == was.within
        severity = WEAKENED if more else STRENGTHENED if less else CHANGED
        sentence = (
            f"Past {now.targets} targets in one {now.within} seats are asked, "
            f"instead of {was.targets} in one {was.within}."
        )
        yield _of("limit", severity, sentence, _plain(was), _plain(now))


def _notify(old: Policy | None, new: Policy) -> Findings:
    was, now = (each.notify if each else None for each in (old, new))
    before, after = ({each.name for each in part.to} if part else set() for part in (was, now))
    for name in sorted(before - after):
        yield _of("notify", WEAKENED, f"It does not tell {name} any more.", name, None)
    for name in sorted(after - before):
        yield _of("notify", STRENGTHENED, f"It tells {name} of each action.", None, name)
    if was and now and was.say != now.say:
        yield _of("notify", CHANGED, f"It says something else: {now.say or 'nothing'}", was.say, now.say)


def _permit(old: Policy | None, new: Policy) -> Findings:
    was, now = old.permit if old else None, new.permit
    if was == now:
        return
    if now is None:
        yield _of("permit", STRENGTHENED, "It permits nothing any more.", _plain(was), None)
    else:
        sentence = (
            f"Without anybody being asked, {' and '.join(now.actions)} may run {now.times} times "
            f"on {now.targets} targets until {now.until}."
        )
        yield _of("permit", WEAKENED, sentence, _plain(was), _plain(now))


def _provisional(old: Policy | None, new: Policy) -> Findings:
    was, now = old.provisional if old else None, new.provisional
    if was == now:
        return
    if now is None:
        sentence = "Nothing runs provisionally any more."
        yield _of("provisional", STRENGTHENED, sentence, _plain(was), None)
    else:
        people = " and ".join(each.name for each in now.seats)
        sentence = (
            f"Before anybody is asked, {' and '.join(now.actions)} may run, on {now.targets} targets at most, and "
            f"is taken back after {now.minutes} minutes unless {people} countersigns."
        )
        yield _of("provisional", WEAKENED, sentence, _plain(was), _plain(now))


def _plain(part: Limit | Permit | Provisional | None) -> object:
    return part.model_dump(mode="json", exclude_defaults=True) if part else None
