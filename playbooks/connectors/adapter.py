"""The adapter protocol: how a team's own small HTTP service gives the product the actions of one domain.

An action is `POST {base address}/{action}` with its inputs as JSON; the answer is a JSON object with exactly its
outputs. What takes longer is answered with 202 and a job, which is asked for by `poll` and stopped by `cancel`. After
a lost answer `lookup` with the action and the idempotency key tells whether it happened. docs/connectors.md says it
for those who write adapters; builtin/ declares the domains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from playbooks.connectors.declaration import EGRESS, HIDDEN, Binding, Connector, Context, Field, Job
from playbooks.connectors.egress import Answer
from playbooks.connectors.errors import AnswerLostError, UnreachableError
from playbooks.connectors.schemas import FLAG, Schema, record
from playbooks.domain.actions import Action, Effect, Irreversible, NothingToUndo, Repeat, Timeout, Undo
from playbooks.domain.outcomes import Failed, Lost, Outcome, Pending, Succeeded

FIELDS = (
    Field("base_url", "Base address of the adapter", "url", True, "The actions are beneath it.", None),
    Field("token", "Bearer token", "secret", True, "Sent as Authorization: Bearer.", None),
    EGRESS,
)

QUICK = Timeout(default=30, maximum=120)
LONG = Timeout(default=300, maximum=6 * 3600)  # of actions that may answer with a job
POLL_AFTER = 15.0  # seconds, where the adapter does not say
GONE = frozenset({404, 410})  # the adapter knows nothing of the job any more

PASSING = frozenset({408, 425, 429, 503})  # nothing was done, and a retry may help


@dataclass(frozen=True, slots=True)
class Call:
    """One action of an adapter, by the last word of its key. `sealed` are the inputs that nobody may read."""

    name: str
    sealed: frozenset[str]

    def perform(self, context: Context, **inputs: object) -> Outcome:
        return _judged(context, self.name, _post(context, self.name, inputs))

    def preview(self, context: Context, **inputs: object) -> Mapping[str, object]:
        shown = {name: HIDDEN if name in self.sealed else each for name, each in inputs.items()}
        headers = {**_headers(context), "Authorization": f"Bearer {HIDDEN}"}
        return {"method": "POST", "url": _url(context, self.name), "headers": headers, "json": shown}

    def lookup(self, context: Context, **_: object) -> Outcome | None:
        """Raises AnswerLostError where the adapter cannot tell."""
        question = {"action": self.name, "key": context.idempotency_key}
        answer = _post(context, "lookup", question)
        found = _object(answer)
        if answer.status == 200 and found.get("found") is False:
            return None
        known = _pending(found) or _end(context, answer)
        if answer.status == 200 and found.get("found") is True and known is not None:
            return known
        raise AnswerLostError(
            f"The adapter was asked what became of {self.name}, and could not tell: {_said(context, answer)}"
        )

    def poll(self, context: Context, handle: Mapping[str, object], **_: object) -> Outcome:
        return self._ask(context, "poll", handle)

    def cancel(self, context: Context, handle: Mapping[str, object], **_: object) -> Outcome:
        return self._ask(context, "cancel", handle)

    def _ask(self, context: Context, question: str, handle: Mapping[str, object]) -> Outcome:
        """Raises UnreachableError where the answer says nothing about the job."""
        answer = _post(context, question, {"action": self.name, **handle})
        said = _object(answer)
        if answer.status in GONE:
            return Lost(f"The adapter knows the job of {self.name} no more: {_said(context, answer)}")
        if answer.status == 202:
            return Pending(handle, _poll_after(said), str(said.get("says", "")))
        if answer.status == 200 and (known := _end(context, answer)):
            return known
        raise UnreachableError(f"The adapter did not say how {self.name} is: {_said(context, answer)}")


def adapter(key: str, label: str, *bindings: Binding) -> Connector:
    """A connector whose actions all speak the protocol."""
    return Connector(key=key, label=label, fields=FIELDS, bindings=bindings)


def read(
    key: str,
    label: str,
    *,
    inputs: Mapping[str, Schema],
    outputs: Mapping[str, Schema],
    example: Mapping[str, object],
    optional: Sequence[str] = (),
    timeout: Timeout = QUICK,
) -> Binding:
    """An action that changes nothing. Its target is its first input."""
    return _binding(
        Action(
            key=key,
            label=label,
            inputs=record(inputs, optional),
            outputs=record(outputs),
            effect=Effect.READ,
            repeat=Repeat.SAFE,
            undo=NothingToUndo(),
            timeout=timeout,
            target=next(iter(inputs)),
            example=example,
            is_job=timeout is LONG,
        )
    )


def tell(
    key: str,
    label: str,
    *,
    inputs: Mapping[str, Schema],
    outputs: Mapping[str, Schema],
    example: Mapping[str, object],
    no_way_back: str,
) -> Binding:
    """An action that tells people something."""
    return _binding(
        Action(
            key=key,
            label=label,
            inputs=record(inputs),
            outputs=record(outputs),
            effect=Effect.MESSAGE,
            repeat=Repeat.LOOKUP,
            undo=Irreversible(no_way_back),
            timeout=QUICK,
            target=next(iter(inputs)),
            example=example,
        )
    )


def change(
    key: str,
    label: str,
    *,
    inputs: Mapping[str, Schema],
    example: Mapping[str, object],
    undo: Undo | str,
    outputs: Mapping[str, Schema] | None = None,
    optional: Sequence[str] = (),
    timeout: Timeout = QUICK,
    effect: Effect = Effect.CHANGE,
) -> Binding:
    """An action that changes its target, which is its first input, or destroys it.

    The outputs repeat the target and say whether it `changed`. `undo` is a sentence where there is no way back.
    """
    target, schema = next(iter(inputs.items()))
    return _binding(
        Action(
            key=key,
            label=label,
            inputs=record(inputs, optional),
            outputs=record({target: schema, "changed": FLAG, **(outputs or {})}),
            effect=effect,
            repeat=Repeat.LOOKUP,
            undo=Irreversible(undo) if isinstance(undo, str) else undo,
            timeout=timeout,
            target=target,
            example=example,
            is_job=timeout is LONG,
        )
    )


def _binding(action: Action) -> Binding:
    call = Call(action.name, action.secret_inputs)
    lookup = call.lookup if action.repeat is Repeat.LOOKUP else None
    job = Job(call.poll, call.cancel) if action.is_job else None
    return Binding(action, call.perform, call.preview, lookup=lookup, verify=None, job=job)


def _post(context: Context, name: str, body: Mapping[str, object]) -> Answer:
    return context.http.request(
        "POST", _url(context, name), deadline=context.deadline, headers=_headers(context), body=dict(body)
    )


def _url(context: Context, name: str) -> str:
    return f"{context.text('base_url').rstrip('/')}/{name}"


def _headers(context: Context) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {context.secrets.reveal('token')}",
        "Idempotency-Key": context.idempotency_key,
    }


def _judged(context: Context, name: str, answer: Answer) -> Outcome:
    """Raises AnswerLostError where the answer leaves open whether it happened."""
    if answer.status == 202:
        return _accepted(name, answer)
    if 200 <= answer.status < 300:
        outputs = answer.value()
        if answer.truncated or not isinstance(outputs, Mapping):
            raise AnswerLostError(f"The adapter answered {name} with something that is no JSON object.")
        return Succeeded(outputs)
    if answer.status in PASSING:
        return _not_now(name, answer)
    if answer.status >= 500:
        raise AnswerLostError(f"The adapter broke off in {name} ({answer.status}): {_said(context, answer)}")
    return Failed(f"The adapter refused {name} ({answer.status}): {_said(context, answer)}", permanent=True)


def _not_now(name: str, answer: Answer) -> Failed:
    said = f"The adapter did not take {name} ({answer.status})"
    wait = answer.retry_after(datetime.now(UTC))
    if wait is None:
        return Failed(f"{said}.", permanent=False)
    seconds = wait.total_seconds()
    return Failed(f"{said} and asks to wait {seconds:.0f} seconds.", permanent=False, retry_after=seconds)


def _accepted(name: str, answer: Answer) -> Pending:
    pending = _pending(_object(answer))
    if pending is None:
        raise AnswerLostError(f"The adapter began {name} without saying which job that is.")
    return pending


def _pending(said: Mapping[str, object]) -> Pending | None:
    job = said.get("job")
    if not isinstance(job, str) or not job:
        return None
    return Pending({"job": job}, _poll_after(said), str(said.get("says", "")))


def _poll_after(said: Mapping[str, object]) -> float:
    seconds = said.get("poll_after")
    return float(seconds) if isinstance(seconds, int | float) else POLL_AFTER


def _end(context: Context, answer: Answer) -> Succeeded | Failed | None:
    """How it ended, as `outputs` or as a sentence in `error`; None where neither is there."""
    said = _object(answer)
    outputs = said.get("outputs")
    if isinstance(outputs, Mapping):
        return Succeeded({str(name): each for name, each in outputs.items()})
    return Failed(_said(context, answer), permanent=True) if said.get("error") else None


def _said(context: Context, answer: Answer) -> str:
    """The adapter's own sentence; of anything else the status alone, since pages of HTML explain nothing.

    Secrets are hidden before the text is cut: what is cut through could not be recognized any more.
    """
    sentence = _object(answer).get("error")
    text = context.secrets.hide(sentence) if isinstance(sentence, str) else ""
    plain = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return plain[:500] or f"it answered {answer.status} without a sentence in 'error'."


def _object(answer: Answer) -> Mapping[str, object]:
    value = answer.value()
    return value if isinstance(value, Mapping) else {}
