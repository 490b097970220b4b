"""Calling a connector: the one edge at which whatever goes wrong becomes an outcome with a sentence.

Inputs and outputs are held to the action's schemas, outputs to 1 MiB, and an outcome shows no secret: neither of
the connection nor what was given to an input that is marked `writeOnly`. Nothing raised by a connector reaches the
caller.
"""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from playbooks.connectors import registry
from playbooks.connectors.configuration import configured
from playbooks.connectors.declaration import EGRESS, HIDDEN, Binding, Context, Job, Secrets
from playbooks.connectors.egress import Egress
from playbooks.connectors.errors import AnswerLostError, RefusedError, UnreachableError
from playbooks.domain.actions import Action, Effect
from playbooks.domain.outcomes import Failed, Lost, Outcome, Pending, Succeeded

OUTPUTS_LIMIT = 1024 * 1024  # bytes as JSON; playbooks.md, Checking
HANDLE_LIMIT = 64 * 1024  # bytes as JSON
SHORTEST_POLL, LONGEST_POLL = 1.0, 3600.0  # seconds between two questions about a job
LONGEST_RETRY = 86_400.0  # seconds for which a far side is left alone at most
ASK_AGAIN = 30.0  # seconds, after a question that got no answer
ABOUT_NAMES = frozenset({"additionalProperties", "required"})  # their messages quote names, not values
KEY = re.compile(r"[A-Za-z0-9._:/-]{1,100}")  # what every far side can carry, in a comment or a header

logger = logging.getLogger(__name__)


__all__ = [
    "Context",
    "cancel",
    "context",
    "lookup",
    "offers_cancel",
    "perform",
    "poll",
    "preview",
    "redact",
    "verify",
]


def context(
    connector_key: str,
    *,
    settings: Mapping[str, object],
    secrets: Mapping[str, str],
    idempotency_key: str,
    deadline: datetime,
    dry_run: bool = False,
) -> Context:
    """What one call of an action of this connector may use. `deadline` is an aware datetime.

    Never raises: an unknown connector and settings that are wrong become the outcome of the call.
    """
    owner = registry.CONNECTORS.get(connector_key)
    egress = settings.get("egress") if owner and EGRESS in owner.fields else None
    allowed = tuple(str(network) for network in egress) if isinstance(egress, list | tuple) else ()
    return Context(
        http=Egress(allowed),
        settings=settings,
        secrets=Secrets(secrets),
        idempotency_key=idempotency_key,
        deadline=time.monotonic() + (deadline - datetime.now(UTC)).total_seconds(),
        dry_run=dry_run,
    )


def perform(action_key: str, context: Context, inputs: Mapping[str, object]) -> Outcome:
    """Does it, once. Lost says that it may have happened: look up or ask, never blindly retry.

    In a dry run only what is pure is performed.
    """
    context = _guarded(action_key, context, inputs)
    try:
        binding = registry.binding(action_key)
        if context.dry_run and not binding.action.is_pure:
            raise RefusedError(
                f"This is a dry run, so {action_key} was not performed; its preview says what it would do."
            )
        outcome = binding.perform(_ready(binding, context, inputs), **inputs)
        return _checked(binding.action, outcome, context.secrets)
    except Exception as error:  # noqa: BLE001 — the edge: see the module's docstring
        return _failure(action_key, context.secrets, error)


def lookup(action_key: str, context: Context, inputs: Mapping[str, object]) -> Outcome | None:
    """What became of an earlier `perform` with the same idempotency key; None says that it did not happen.

    Lost says that not even this could be told.
    """
    context = _guarded(action_key, context, inputs)
    try:
        binding = registry.binding(action_key)
        if binding.lookup is None:
            raise RefusedError(
                f"{action_key} offers no look-up, so only a person can tell whether it happened."
            )
        outcome = binding.lookup(_ready(binding, context, inputs), **inputs)
        return None if outcome is None else _checked(binding.action, outcome, context.secrets)
    except Exception as error:  # noqa: BLE001 — the edge
        return Lost(_sentence(action_key, context.secrets, error))


def poll(
    action_key: str, context: Context, handle: Mapping[str, object], inputs: Mapping[str, object]
) -> Outcome:
    """How the job is that `perform` left Pending with this handle. Only the far side's word ends a job: when asking
    goes wrong, for whatever reason, it is Pending as before, with a sentence that says why.

    An end whose outputs cannot be used is Lost, or Failed for an action that only reads, as after `perform`.
    """
    return _asked(action_key, context, handle, inputs, lambda job: job.poll)


def cancel(
    action_key: str, context: Context, handle: Mapping[str, object], inputs: Mapping[str, object]
) -> Outcome:
    """Asks the job to stop, and says what `poll` says: while it is Pending it has not stopped, even if the far side
    accepted. Call it again with the handle of the answer until the job has ended.
    """
    return _asked(action_key, context, handle, inputs, lambda job: job.cancel)


def offers_cancel(action_key: str) -> bool:
    """Whether a job of this action can be asked to stop."""
    try:
        return registry.binding(action_key).job is not None
    except RefusedError:
        return False


def verify(
    action_key: str, context: Context, inputs: Mapping[str, object], outputs: Mapping[str, object]
) -> str | None:
    """Before `action_key` with these inputs undoes a step that had these outputs: what drifted at the target.

    When it cannot be checked, the sentence says so: a person decides, not hope.
    """
    context = _guarded(action_key, context, inputs)
    try:
        binding = registry.binding(action_key)
        if binding.verify is None:
            return None
        drift = binding.verify(_ready(binding, context, inputs), inputs, outputs)
        return None if drift is None else context.secrets.hide(drift)
    except Exception as error:  # noqa: BLE001 — the edge
        why = _sentence(action_key, context.secrets, error)
        return f"Whether the target has changed since could not be checked. {why}"


def preview(action_key: str, context: Context, inputs: Mapping[str, object]) -> Mapping[str, object]:
    """What `perform` would send, rendered without touching anything; `problem` says why it would not."""
    context = _guarded(action_key, context, inputs)
    try:
        binding = registry.binding(action_key)
        rendered = binding.preview(_ready(binding, context, inputs), **inputs)
        return {name: redact(each, context.secrets) for name, each in rendered.items()}
    except Exception as error:  # noqa: BLE001 — the edge
        return {"problem": _sentence(action_key, context.secrets, error)}


def redact(value: object, secrets: Secrets) -> object:
    """`value`, a JSON value, with no secret in any text or name of it, nor as a number."""
    if isinstance(value, str):
        return secrets.hide(value)
    if _is_number(value) and secrets.hide(str(value)) == HIDDEN:
        return HIDDEN
    if isinstance(value, Mapping):
        return {secrets.hide(str(name)): redact(each, secrets) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [redact(each, secrets) for each in value]
    return value


def _asked(
    action_key: str,
    context: Context,
    handle: Mapping[str, object],
    inputs: Mapping[str, object],
    question: Callable[[Job], Callable[..., Outcome]],
) -> Outcome:
    context = _guarded(action_key, context, inputs)
    try:
        binding = registry.binding(action_key)
        if binding.job is None:
            raise RefusedError(f"{action_key} offers no way to ask how a job of it is.")
        outcome = question(binding.job)(_ready(binding, context, inputs), handle, **inputs)
    except Exception as error:  # noqa: BLE001 — the edge
        return Pending(handle, ASK_AGAIN, _sentence(action_key, context.secrets, error))
    try:
        return _checked(binding.action, outcome, context.secrets)
    except Exception as error:  # noqa: BLE001 — the edge
        return _failure(action_key, context.secrets, error)


def _guarded(action_key: str, context: Context, inputs: Mapping[str, object]) -> Context:
    """The context, whose secrets hide what is given to the action's secret inputs as well."""
    try:
        names = registry.binding(action_key).action.secret_inputs
    except RefusedError:  # the caller meets it again and says it
        return context
    texts = [text for name in sorted(names) for text in _texts(inputs.get(name))]
    return replace(context, secrets=context.secrets.and_hiding(texts))


def _texts(value: object) -> Iterator[str]:
    """Every text and number in a JSON value, as text; the names in it are no secrets."""
    if isinstance(value, str):
        yield value
    elif _is_number(value):
        yield str(value)
    elif isinstance(value, Mapping | list | tuple):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(each)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ready(binding: Binding, context: Context, inputs: Mapping[str, object]) -> Context:
    """The context with its settings complete. Raises where the call must not be made."""
    action = binding.action
    owner = registry.connector(action.connector)
    held = {field.name for field in owner.fields if field.kind == "secret" and field.name in context.secrets}
    settings = configured(owner, context.settings, held)
    if not KEY.fullmatch(context.idempotency_key):
        raise RefusedError(
            f"{action.key} was not called: its idempotency key is not 1 to 100 plain characters."
        )
    if problem := _problem(action.inputs, inputs, context.secrets):
        raise RefusedError(f"{action.key} was not called: {problem}. Correct the step's with:.")
    if context.seconds_left() <= 0:
        raise UnreachableError(f"{action.key} was not called: its deadline had passed.")
    return replace(context, settings=settings)


def _checked(action: Action, outcome: Outcome, secrets: Secrets) -> Outcome:
    """Raises where the outcome cannot be used."""
    match outcome:
        case Succeeded():
            shown = {name: redact(each, secrets) for name, each in outcome.outputs.items()}
            return Succeeded(_bounded(action, shown, secrets))
        case Pending():
            return _followable(action, outcome, secrets)
        case Failed():
            wait = outcome.retry_after
            wait = None if wait is None else _within(wait, 0.0, LONGEST_RETRY)
            return Failed(secrets.hide(outcome.sentence), outcome.permanent, wait)
        case Lost():
            return Lost(secrets.hide(outcome.sentence))
        case _:
            raise TypeError(f"{action.key} answered with no outcome")


def _followable(action: Action, outcome: Pending, secrets: Secrets) -> Pending:
    """A handle is kept as it is, in the clear, so what cannot be kept so is refused."""
    written = orjson.dumps(outcome.handle)
    handle = orjson.loads(written)
    problem = ""
    if not action.is_job:
        problem = "it is not declared as a job"
    elif len(written) > HANDLE_LIMIT:
        problem = "its handle is larger than 64 KiB"
    elif redact(handle, secrets) != handle:
        problem = "its handle holds a secret"
    if problem:
        raise AnswerLostError(f"{action.key} was called and goes on, but cannot be followed: {problem}.")
    pause = _within(outcome.poll_after, SHORTEST_POLL, LONGEST_POLL)
    return Pending(handle, pause, secrets.hide(outcome.sentence))


def _within(seconds: float, least: float, most: float) -> float:
    return most if math.isnan(seconds) else min(max(float(seconds), least), most)


def _bounded(action: Action, outputs: Mapping[str, object], secrets: Secrets) -> Mapping[str, object]:
    if problem := _problem(action.outputs, outputs, secrets):
        raise AnswerLostError(f"{action.key} was called, and its answer is not as declared: {problem}.")
    if len(orjson.dumps(outputs)) > OUTPUTS_LIMIT:
        raise AnswerLostError(f"{action.key} was called, and its answer is larger than 1 MiB.")
    return outputs


def _problem(schema: Mapping[str, object], value: object, secrets: Secrets) -> str | None:
    """What is quoted of the value is cut, and a secret that is cut through could not be recognized any more."""
    error = best_match(_validator(orjson.dumps(schema)).iter_errors(value))
    if error is None:
        return None
    where = secrets.hide(".".join(str(part) for part in error.absolute_path))
    # Python writes the value its own way, so a secret in it is looked for in the value, not in the message.
    is_quotable = error.validator in ABOUT_NAMES or redact(error.instance, secrets) == error.instance
    message = (
        secrets.hide(error.message)[:300] if is_quotable else f"the schema's {error.validator} is not kept"
    )
    return f"{where}: {message}" if where else message


@lru_cache(maxsize=512)
def _validator(schema: bytes) -> Draft202012Validator:
    """Known by the text of its schema, since making one costs more than the question that it is asked."""
    return Draft202012Validator(orjson.loads(schema), format_checker=Draft202012Validator.FORMAT_CHECKER)


def _failure(action_key: str, secrets: Secrets, error: Exception) -> Outcome:
    sentence = _sentence(action_key, secrets, error)
    if isinstance(error, RefusedError | UnreachableError):
        return Failed(sentence, permanent=isinstance(error, RefusedError))
    # A defect in mid-call leaves the same doubt as a lost answer, except where there is nothing to doubt.
    if registry.binding(action_key).action.effect is Effect.READ:
        return Failed(sentence, permanent=not isinstance(error, AnswerLostError))
    return Lost(sentence)


def _sentence(action_key: str, secrets: Secrets, error: Exception) -> str:
    if isinstance(error, RefusedError | UnreachableError | AnswerLostError):
        return secrets.hide(str(error))
    _report(action_key, error)
    return (
        f"The connector {action_key.partition('.')[0]} broke off in {action_key} ({type(error).__name__}). "
        "The worker's log names the place; check the target before doing it again."
    )


def _report(action_key: str, error: Exception) -> None:
    """Logs where it broke, never with what: messages and frames may hold secrets."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"
    logger.error("connector defect in %s: %s at %s", action_key, type(error).__name__, place)
