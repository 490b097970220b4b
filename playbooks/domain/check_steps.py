"""The second layer of the check: what each step of the playbook says, whatever its kind, can be done."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from jsonschema import Draft202012Validator

from playbooks.domain.actions import Action, Catalogue, Effect, Undo
from playbooks.domain.check_order import is_ordered, order_findings
from playbooks.domain.coverage import guarded_steps
from playbooks.domain.deadlines import due_at
from playbooks.domain.durations import duration_text, parse_duration
from playbooks.domain.expressions import ExpressionError, render, sources
from playbooks.domain.inputs import unfit
from playbooks.domain.playbook import Input, Placed, Playbook, Step, placed
from playbooks.domain.problems import Finding, nearest
from playbooks.domain.reader import Path
from playbooks.domain.seat_names import changed_through

LONGEST_WAIT_BETWEEN_TRIES = timedelta(hours=1)
LONGEST_FOR_PEOPLE = timedelta(days=365)
LONGEST_BLOCK = timedelta(days=30)
LONGEST_SCRIPT = timedelta(minutes=15)
ANY_MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
LONGEST_PAUSE = timedelta(days=1)


def step_findings(playbook: Playbook, catalogue: Catalogue, opaque: frozenset[str]) -> Iterator[Finding]:
    """`opaque` stand in for what is faulty (check_salvage.Shape): nothing is said about what they do."""
    yield from order_findings(playbook)
    yield from _defaults(playbook.inputs, ("inputs",), opaque)
    for place in placed(playbook):
        if place.step.id not in opaque:
            yield from _KINDS[place.step.kind](place.step, place.path, catalogue)
            yield from _retry(place.step, place.path)
            yield from _calls_itself(place, playbook)
    if not opaque and is_ordered(playbook):
        yield from _unguarded(playbook, catalogue)
        yield from _unowned(playbook, catalogue)


def _retry(step: Step, path: Path) -> Iterator[Finding]:
    if step.retry:
        at = (*path, "retry", "every")
        yield from _longer(
            step.retry.every, LONGEST_WAIT_BETWEEN_TRIES, "the wait before a retry is {} at most", at
        )


def _calls_itself(place: Placed, playbook: Playbook) -> Iterator[Finding]:
    if place.step.run == playbook.playbook:
        message = f"'{place.step.id}' runs the playbook in which it is written, which would never end"
        yield Finding((*place.path, "run"), message)


def _do(step: Step, path: Path, catalogue: Catalogue) -> Iterator[Finding]:
    yield from _call(step.do, step.with_, path, catalogue)
    if step.undo and step.undo.do is not None:
        yield from _call(step.undo.do, step.undo.with_, (*path, "undo"), catalogue)
        yield from _undo(step.undo.do, (*path, "undo", "do"), catalogue)
    action = catalogue.get(step.do)
    if action:
        maximum = timedelta(seconds=action.timeout.maximum)
        message = f"{action.key} may take {{}} at most, not {step.timeout}"
        yield from _longer(step.timeout, maximum, message, (*path, "timeout"))
        yield from _secrets(step, action, path)
    if step.expires:
        yield from _expiry(step, action, path)


def _undo(key: str, path: Path, catalogue: Catalogue) -> Iterator[Finding]:
    """An undo runs under the approval of what it takes back, so it may not be graver than a change."""
    action = catalogue.get(key)
    if action and action.effect is Effect.DESTROY:
        message = f"{key} destroys, and an undo may not; make it a step of its own behind a gate"
        yield Finding(path, message)


def _secrets(step: Step, action: Action, path: Path) -> Iterator[Finding]:
    known: Any = action.outputs.get("properties", {})
    for position, name in enumerate(step.secret_outputs):
        if name not in known:
            message = f"{action.key} has no output '{name}'{nearest(name, known)}"
            yield Finding((*path, "secret_outputs", position), message)


def _expiry(step: Step, action: Action | None, path: Path) -> Iterator[Finding]:
    at = (*path, "expires")
    yield from _longer(step.expires, LONGEST_FOR_PEOPLE, "what a step did expires after {} at most", at)
    own = step.undo
    if own and own.do is None:
        yield Finding(at, f"'{step.id}' says that it has no undo, so it cannot expire")
    elif own is None and action and not isinstance(action.undo, Undo):
        yield Finding(at, f"{action.key} has no undo, so it cannot expire; name one with 'undo'")


def _approve(step: Step, path: Path, _: Catalogue) -> Iterator[Finding]:
    yield from _deadline(step, path, "a gate is open for {} at most")


def _ask(step: Step, path: Path, _: Catalogue) -> Iterator[Finding]:
    yield from _deadline(step, path, "a question is open for {} at most")
    yield from _defaults(step.fields, (*path, "fields"), frozenset())


def _deadline(step: Step, path: Path, message: str) -> Iterator[Finding]:
    given = [((*path, "within"), step.within)]
    given += [((*path, "by_severity", level), within) for level, within in step.by_severity.items()]
    for at, within in given:
        yield from _longer(within, LONGEST_FOR_PEOPLE, message, at)
        takes = due_at(ANY_MONDAY, parse_duration(within), step.calendar) - ANY_MONDAY
        if step.calendar and takes > LONGEST_FOR_PEOPLE:
            most = message.format(duration_text(LONGEST_FOR_PEOPLE))
            yield Finding(at, f"{most}, and {within} of its business hours take longer")


def _wait(step: Step, path: Path, _: Catalogue) -> Iterator[Finding]:
    if step.wait is None:
        return
    at = (*path, "wait")
    message = "a wait takes {} at most"
    yield from _longer(step.wait.for_, LONGEST_FOR_PEOPLE, message, (*at, "for"))
    yield from _longer(step.wait.within, LONGEST_FOR_PEOPLE, message, (*at, "within"))
    until = step.wait.until
    if until and not _is_filled_in(until) and not _is_moment(until):
        example = "2026-12-31T18:00:00Z"
        yield Finding((*at, "until"), f"'{until[:80]}' is no moment; write it like {example}, or ${{ … }}")


def _run(step: Step, path: Path, _: Catalogue) -> Iterator[Finding]:
    message = "a step that runs a playbook may take {} at most"
    yield from _longer(step.timeout, LONGEST_BLOCK, message, (*path, "timeout"))


def _block(step: Step, path: Path, _: Catalogue) -> Iterator[Finding]:
    message = f"a step of kind '{step.kind}' may take {{}} at most"
    yield from _longer(step.timeout, LONGEST_BLOCK, message, (*path, "timeout"))
    if isinstance(step.each, str) and not _is_filled_in(step.each):
        sentence = "'each' is a list, or an expression that gives one; write it as ${ … }"
        yield Finding((*path, "each"), sentence)
    if step.repeat:
        message = "the time between two turns is {} at most"
        yield from _longer(step.repeat.every, LONGEST_PAUSE, message, (*path, "repeat", "every"))


def _script(step: Step, path: Path, _: Catalogue) -> Iterator[Finding]:
    yield from _longer(step.timeout, LONGEST_SCRIPT, "a script may take {} at most", (*path, "timeout"))


def _set(_step: Step, _path: Path, _: Catalogue) -> Iterator[Finding]:
    yield from ()


_KINDS: Mapping[str, Callable[[Step, Path, Catalogue], Iterator[Finding]]] = {
    "do": _do,
    "approve": _approve,
    "ask": _ask,
    "wait": _wait,
    "run": _run,
    "each": _block,
    "repeat": _block,
    "script": _script,
    "set": _set,
}


def _longer(given: str | None, maximum: timedelta, message: str, path: Path) -> Iterator[Finding]:
    """A finding when a duration is given that is longer; the message has a place for the maximum."""
    if given and parse_duration(given) > maximum:
        yield Finding(path, message.format(duration_text(maximum)))


def _is_filled_in(value: object) -> bool:
    """Whether a value has an expression; one that cannot be read is reported by check_names."""
    try:
        return any(True for _ in sources(value))
    except ExpressionError:
        return True


def _is_moment(text: str) -> bool:
    if not re.match(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d", text):
        return False
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _defaults(declared: Mapping[str, Input], path: Path, opaque: frozenset[str]) -> Iterator[Finding]:
    """The defaults that are written out and do not fit; expressions are looked at by check_types."""
    for name, spec in declared.items():
        if spec.default is None or f"inputs.{name}" in opaque or _is_filled_in(spec.default):
            continue
        if sentence := unfit(spec, render(spec.default, {})):
            yield Finding((*path, name, "default"), f"the default of '{name}': {sentence}")


def _call(key: str, given: Mapping[str, Any], path: Path, catalogue: Catalogue) -> Iterator[Finding]:
    action = catalogue.get(key)
    if action is None:
        yield Finding((*path, "do"), f"unknown action '{key}'{nearest(key, catalogue)}")
        return
    known: Mapping[str, Any] = action.inputs.get("properties", {})  # type: ignore[assignment]
    required: list[str] = action.inputs.get("required", [])  # type: ignore[assignment]
    at = (*path, "with")
    for name in required:
        if name not in given:
            yield Finding(at, f"{action.key} needs the input '{name}'")
    for name, value in given.items():
        if name in known:
            yield from _value(action, name, known[name], value, (*at, name))
        elif not action.inputs.get("additionalProperties", False):
            message = f"{action.key} has no input '{name}'{nearest(name, known)}"
            yield Finding((*at, name), message, at_key=True)


def _value(action: Action, name: str, schema: Any, value: object, path: Path) -> Iterator[Finding]:
    """The faults of a value that is written out; check_types looks at what an expression gives."""
    if _is_filled_in(value):
        return
    plain = render(value, {})
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    for error in validator.iter_errors(plain):
        yield Finding((*path, *error.absolute_path), f"input '{name}' of {action.key}: {error.message[:200]}")


def _unowned(playbook: Playbook, catalogue: Catalogue) -> Iterator[Finding]:
    """Where nothing is changed behind a gate, nobody is the owner, and the seat could never be filled."""
    for place in placed(playbook):
        for index, seat in enumerate(place.step.seats):
            if seat.owner_of and not any(changed_through(playbook, place.step, catalogue)):
                message = f"nothing is changed behind '{place.step.id}', so nobody owns what it would change"
                yield Finding((*place.path, "seats", index), message)


def _unguarded(playbook: Playbook, catalogue: Catalogue) -> Iterator[Finding]:
    guarded = guarded_steps(playbook)
    for place in placed(playbook):
        step = place.step
        if step.kind == "do" and step.id not in guarded and _destroys(step, catalogue):
            message = (
                f"'{step.id}' destroys, and could run without an approval; "
                "put a step with 'approve' before it that cannot be skipped or passed by"
            )
            yield Finding(place.path, message)


def _destroys(step: Step, catalogue: Catalogue) -> bool:
    keys = [step.do, *([step.undo.do] if step.undo and step.undo.do else [])]
    return any(key in catalogue and catalogue[key].effect is Effect.DESTROY for key in keys)
