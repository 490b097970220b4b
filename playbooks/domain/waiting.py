"""Why something does not move: one sentence that says who can end it, until when, and what happens then.

What can end each reason is data, in exits.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from playbooks.domain.exits import EXITS, ByPerson, Reason, Standing
from playbooks.domain.roles import ROLES
from playbooks.domain.statuses import WaitReason

SYSTEM = "Countersign"
LATE = {
    "deny": "it counts as denied",
    "escalate": "it is put above all others and gets the same time once more",
    "hold": "it stays open, marked as late",
    "fail": "the step fails",
    "go_on": "the run goes on without it",
}


# What a reader has to know first: what a person has to do, then what the world has to do, then what passes by itself.
URGENCY: Sequence[Reason] = (
    Standing.UNKNOWN,
    WaitReason.APPROVAL,
    WaitReason.ANSWER,
    Standing.PAUSED,
    WaitReason.PAUSE,
    Standing.HELD,
    WaitReason.HOLD,
    WaitReason.EVENT,
    WaitReason.JOB,
    WaitReason.CHILD,
    WaitReason.SLOT,
    WaitReason.RATE,
    WaitReason.DELAY,
    WaitReason.RECEIPT,
    WaitReason.RETRY,
    WaitReason.TIME,
    Standing.CANCELLING,
    Standing.ROLLING_BACK,
    Standing.READY,
    Standing.QUEUED,
    WaitReason.TURNS,
)
NEED_A_PERSON = frozenset(
    {
        *(Standing.UNKNOWN, Standing.PAUSED, Standing.HELD),
        *(WaitReason.APPROVAL, WaitReason.ANSWER, WaitReason.PAUSE, WaitReason.HOLD),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """How the turns of a block stand."""

    count: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def ended(self) -> int:
        return self.succeeded + self.failed + self.cancelled

    @property
    def sentence(self) -> str:
        """For example: 3 of 5, 1 failed."""
        return f"{self.ended} of {self.count}" + (f", {self.failed} failed" if self.failed else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of something that does not move; what a reason does not need is empty.

    `until` is when it is looked at again or late, `deadline` when it is stopped, `said` the sentence that is written
    on the step. `seats` are titles of roles, those that are still open; `by` is the person who holds or pauses.
    """

    step: str = ""
    since: datetime
    until: datetime | None = None
    deadline: datetime | None = None
    said: str = ""
    question: str = ""
    seats: tuple[str, ...] = ()
    filled: int = 0
    late: str = ""
    event: str = ""
    event_key: str = ""
    connection: str = ""
    limit: str = ""
    by: str = ""
    child: str = ""
    child_status: str = ""
    turns: Turns = Turns()
    under_way: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Why:
    """`owner` is who can end it, `then` what happens at `until`, which is None where no time ends it."""

    reason: str
    sentence: str
    owner: str
    since: datetime
    until: datetime | None
    then: str


def why(reason: Reason, facts: Facts, now: datetime) -> Why:
    """The sentence for `reason`. Times are in UTC, with the day where it is not that of `now`."""
    sentence, owner, until, then = _TOLD[reason](facts, lambda at: _clock(at, now))
    return Why(reason.value, sentence, owner, facts.since, until, then)


def who_ends(reason: Reason) -> str:
    """The titles of the built-in roles that may end it by themselves, such as: Analyst or Tier 2 analyst."""
    permission = next(each.permission for each in EXITS[reason] if isinstance(each, ByPerson))
    return " or ".join(role.title for role in ROLES.values() if permission in role.permissions)


Clock = Callable[[datetime], str]
Told = tuple[str, str, datetime | None, str]  # sentence, owner, until, then


def _clock(at: datetime, now: datetime) -> str:
    return f"{at:%H:%M}" if at.date() == now.date() else f"{at.day} {at:%b %H:%M}"


def _late(main: str, facts: Facts, clock: Clock) -> str:
    """`main`, until when, and what then."""
    if facts.until is None:
        return f"{main}; it is late and stays open."
    return f"{main} until {clock(facts.until)}; then {LATE[facts.late]}."


def _approval(facts: Facts, clock: Clock) -> Told:
    owner = " and ".join(facts.seats) or SYSTEM
    of = facts.filled + len(facts.seats)
    so_far = f" {facts.filled} of {of} have approved." if facts.filled else ""
    sentence = _late(f"Waits for {owner} to decide on “{facts.question}”", facts, clock) + so_far
    return _with(facts.said, sentence), owner, facts.until, LATE[facts.late] if facts.until else ""


def _answer(facts: Facts, clock: Clock) -> Told:
    owner = " and ".join(facts.seats)
    sentence = _late(f"Waits for {owner} to answer “{facts.question}”", facts, clock)
    return sentence, owner, facts.until, LATE[facts.late] if facts.until else ""


def _time(facts: Facts, clock: Clock) -> Told:
    then = "it goes on by itself"
    return f"Waits{_until(facts, clock)}; then {then}.", SYSTEM, facts.until, then


def _event(facts: Facts, clock: Clock) -> Told:
    owner = f"Whoever reports {facts.event}"
    main = f"Waits for the event {facts.event} with the key “{facts.event_key}”"
    return _late(main, facts, clock), owner, facts.until, LATE[facts.late]


def _child(facts: Facts, clock: Clock) -> Told:
    status = facts.child_status.replace("_", " ")
    sentence = f"Waits for the run of {facts.child}, which is {status}, to end"
    return _stopped(sentence, f"Whoever the run of {facts.child} waits for", facts, clock)


def _turns(facts: Facts, clock: Clock) -> Told:
    turns = facts.turns
    failed = f" ({turns.failed} failed)" if turns.failed else ""
    sentence = (
        f"Its turns are under way: {turns.ended} of {turns.count} have ended{failed}, "
        f"{turns.running} are running"
    )
    return _stopped(sentence, "Whoever its steps wait for", facts, clock)


def _job(facts: Facts, clock: Clock) -> Told:
    asked = f"; it is asked again at {clock(facts.until)}" if facts.until else ""
    sentence = f"Waits for a job at {facts.connection or 'the far side'} to end{asked}"
    told, owner, until, then = _stopped(sentence, facts.connection or "The far side", facts, clock)
    return _with(f"It says: {facts.said}" if facts.said else "", told), owner, until, then


def _stopped(sentence: str, owner: str, facts: Facts, clock: Clock) -> Told:
    """What has a timeout of its own, after which it is stopped; without one only its end or a person ends it."""
    if facts.deadline is None:
        return f"{sentence}.", owner, None, ""
    then = "it is stopped, and the step fails"
    return f"{sentence}. At {clock(facts.deadline)} {then}.", owner, facts.deadline, then


def _retry(facts: Facts, clock: Clock) -> Told:
    then = "it is tried again"
    at = f" at {clock(facts.until)}" if facts.until else ""
    return _with(facts.said, f"{then.capitalize()}{at}."), SYSTEM, facts.until, then


def _receipt(facts: Facts, clock: Clock) -> Told:
    then = "the checkpoint is looked for again"
    sentence = (
        "Waits until the evidence of its approval is in a signed checkpoint of the log, "
        f"which the sequencer writes{_looked_at(facts, clock)}."
    )
    return sentence, f"{SYSTEM}, its sequencer", facts.until, then


def _delay(facts: Facts, clock: Clock) -> Told:
    sentence = (
        "Waits a while, since one person alone has confirmed it (profile solo); cancel the run to keep it from "
        f"beginning{_looked_at(facts, clock)}."
    )
    return sentence, SYSTEM, facts.until, "it begins"


def _slot(facts: Facts, clock: Clock) -> Told:
    sentence = f"Waits for a free place at {facts.connection}, which serves {facts.limit}"
    then = "it looks for a free place again"
    return f"{sentence}{_looked_at(facts, clock)}.", SYSTEM, facts.until, then


def _rate(facts: Facts, clock: Clock) -> Told:
    then = "it is called"
    sentence = f"{facts.connection} has been called as often as it may be: {facts.limit}"
    return f"{sentence}. It is called{_at(facts, clock)}.", SYSTEM, facts.until, then


def _hold(facts: Facts, _clock: Clock) -> Told:
    owner = f"{facts.by}, or any {who_ends(WaitReason.HOLD)}" if facts.by else who_ends(WaitReason.HOLD)
    main = facts.said.rstrip(".") or "A hold keeps this from beginning"
    return f"{main}. Nothing begins until the hold is released.", owner, None, ""


def _pause(facts: Facts, clock: Clock) -> Told:
    who = f"{facts.by} paused this run" if facts.by else "This run is paused"
    sentence = (
        f"{who} at {clock(facts.since)}. What is under way ends, and nothing begins until it is resumed."
    )
    return sentence, who_ends(WaitReason.PAUSE), None, ""


def _queued(_facts: Facts, _clock: Clock) -> Told:
    return "Waits for a worker to take it up.", f"{SYSTEM}, its workers", None, ""


def _unknown(facts: Facts, _clock: Clock) -> Told:
    owner = who_ends(Standing.UNKNOWN)
    sentence = (
        f"Nobody knows whether {facts.step} happened; {owner} has to look and say. "
        "Nothing is repeated before."
    )
    return sentence, owner, None, ""


def _cancelling(facts: Facts, _clock: Clock) -> Told:
    listed = ", ".join(facts.under_way) or "what is under way"
    sentence = (
        f"It is being cancelled, and ends when {listed} has ended. Cancelling again skips the clean-up."
    )
    return sentence, f"{SYSTEM}, or {who_ends(Standing.CANCELLING)}", None, ""


def _rolling_back(facts: Facts, _clock: Clock) -> Told:
    listed = ", ".join(facts.under_way) or "the rest"
    return f"What it did is being taken back, the last change first; left: {listed}.", SYSTEM, None, ""


def _with(before: str, sentence: str) -> str:
    return f"{before.rstrip('.')}. {sentence}" if before else sentence


def _until(facts: Facts, clock: Clock) -> str:
    return f" until {clock(facts.until)}" if facts.until else ""


def _at(facts: Facts, clock: Clock) -> str:
    return f" at {clock(facts.until)}" if facts.until else " as soon as it may be"


def _looked_at(facts: Facts, clock: Clock) -> str:
    return f"; it looks again at {clock(facts.until)}" if facts.until else ""


_TOLD: Mapping[Reason, Callable[[Facts, Clock], Told]] = {
    WaitReason.APPROVAL: _approval,
    WaitReason.ANSWER: _answer,
    WaitReason.TIME: _time,
    WaitReason.EVENT: _event,
    WaitReason.CHILD: _child,
    WaitReason.TURNS: _turns,
    WaitReason.JOB: _job,
    WaitReason.RETRY: _retry,
    WaitReason.RECEIPT: _receipt,
    WaitReason.DELAY: _delay,
    WaitReason.SLOT: _slot,
    WaitReason.RATE: _rate,
    WaitReason.HOLD: _hold,
    WaitReason.PAUSE: _pause,
    Standing.QUEUED: _queued,
    Standing.READY: _queued,
    Standing.UNKNOWN: _unknown,
    Standing.PAUSED: _pause,
    Standing.HELD: _hold,
    Standing.CANCELLING: _cancelling,
    Standing.ROLLING_BACK: _rolling_back,
}
