"""Runs the team's own Python or shell, isolated (isolation.py): JSON inputs in, a JSON object out.

A script touches nothing but its inputs, so it only reads and may be repeated, and it is performed in dry runs and in
simulated runs too.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from playbooks.connectors import isolation
from playbooks.connectors.declaration import Binding, Connector, Context
from playbooks.connectors.errors import RefusedError
from playbooks.connectors.isolation import COMMANDS, Ended, Language
from playbooks.connectors.schemas import record
from playbooks.domain.actions import Action, Effect, NothingToUndo, Repeat, Timeout
from playbooks.domain.outcomes import Failed, Outcome, Succeeded
from playbooks.domain.problems import Unreadable
from playbooks.domain.strict_json import read_json

LIMIT = 1024 * 1024  # bytes of the inputs, and of the outputs, as JSON
LINES = 5  # of the errors, in a sentence
LONGEST_LINE = 200  # characters


def run(context: Context, *, language: Language, source: str, inputs: Mapping[str, object]) -> Outcome:
    given = orjson.dumps(inputs)
    if len(given) > LIMIT:
        raise RefusedError("The script's inputs are larger than 1 MiB, so it was not run. Give it less.")
    ended = isolation.run(language, source.encode(), given, deadline=context.deadline, most_output=LIMIT)
    if ended.code is None:
        return Failed(
            f"The script had not ended when its time was up, so it was stopped.{_said(context, ended)}",
            permanent=False,
        )
    if len(ended.output) > LIMIT:
        return Failed("The script printed more than 1 MiB. Print less.", permanent=True)
    if ended.code != 0:
        return Failed(f"The script ended with {_code(ended.code)}.{_said(context, ended)}", permanent=False)
    return _answered(context, ended)


def preview(
    _context: Context, *, language: Language, source: str, inputs: Mapping[str, object]
) -> Mapping[str, object]:
    return {"language": language, "source": source, "inputs": dict(inputs)}


def _answered(context: Context, ended: Ended) -> Outcome:
    wanted = "A script prints one JSON object, its outputs, and nothing else."
    try:
        outputs = read_json(ended.output)
    except Unreadable as error:
        problem = error.problems[0]
        return Failed(
            f"The script printed what is no JSON, in line {problem.line}: {problem.message}. {wanted}"
            f"{_said(context, ended)}",
            permanent=True,
        )
    if not isinstance(outputs, dict):
        return Failed(f"The script printed JSON that is no object. {wanted}", permanent=True)
    return Succeeded(outputs)


def _code(code: int) -> str:
    return f"signal {code - 128}" if code > 128 else f"exit code {code}"


def _said(context: Context, ended: Ended) -> str:
    """The last lines of its errors, as the end of a sentence; empty where it printed none."""
    text = context.secrets.hide(ended.errors.decode(errors="replace"))
    shown = ["".join(each if each.isprintable() else " " for each in line) for line in text.splitlines()]
    lines = [" ".join(line.split())[:LONGEST_LINE] for line in shown if line.strip()][-LINES:]
    return f" Its last words: {' / '.join(lines)}" if lines else ""


RUN = Action(
    key="script.run",
    label="Run a script",
    inputs=record(
        {
            "language": {"enum": list(COMMANDS)},
            "source": {"type": "string", "minLength": 1, "maxLength": 64 * 1024},
            "inputs": {"type": "object"},
        }
    ),
    outputs={"type": "object", "properties": {}, "additionalProperties": True},  # whatever its author prints
    effect=Effect.READ,
    repeat=Repeat.SAFE,
    undo=NothingToUndo(),
    timeout=Timeout(default=30, maximum=900),
    target="",
    example={"score": 72},
    is_pure=True,
)

CONNECTOR = Connector(
    key="script",
    label="Script",
    fields=(),
    bindings=(Binding(RUN, run, preview, lookup=None, verify=None),),
)
