"""Any request to one HTTP API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from playbooks.connectors.declaration import EGRESS, HIDDEN, Binding, Connector, Context, Field
from playbooks.connectors.egress import Answer
from playbooks.connectors.errors import AnswerLostError, RefusedError
from playbooks.connectors.schemas import END, FLAG, TEXT, Schema, record
from playbooks.domain.actions import Action, Effect, Irreversible, NothingToUndo, Repeat, Timeout
from playbooks.domain.outcomes import Failed, Outcome, Succeeded

HEADER = re.compile(r"(?P<name>[A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*(?P<value>[\x20-\x7e]*)")  # RFC 9110, 5.1
TEXT_LIMIT = 64 * 1024  # characters of a body that is no JSON

FIELDS = (
    Field("base_url", "Base address", "url", True, "Every path is beneath it.", None),
    Field(
        "headers", "Headers", "list", False, "One a line, such as X-Tenant: blue. No credentials here.", ()
    ),
    Field("token", "Bearer token", "secret", False, "Sent as Authorization: Bearer.", None),
    EGRESS,
)

PATH = {
    "type": "string",
    "pattern": rf"^/[^?#\\\s]*{END}",
    "maxLength": 2000,
    "description": "Beneath the base address",
}
QUERY = {"type": "object", "additionalProperties": TEXT}
# What an earlier step keeps secret, such as a token or a new password, is given here and shown nowhere.
SECRET_HEADERS = {
    "type": "object",
    "propertyNames": {"pattern": rf"^[A-Za-z0-9!#$%&'*+.^_`|~-]+{END}"},
    "additionalProperties": {"type": "string", "pattern": rf"^[\x20-\x7e]*{END}", "maxLength": 8000},
    "maxProperties": 20,
    "writeOnly": True,
    "description": "Headers by name, beside those of the connection or in their place",
}
SECRET_JSON = {"type": "object", "writeOnly": True, "description": "Members that are added to json"}
NOT_OURS = frozenset({"host", "content-length", "transfer-encoding"})
OUTPUTS: dict[str, Schema] = {"status": {"type": "integer"}, "body": {}, "truncated": FLAG}
NO_WAY_BACK = "Countersign cannot know how to take back this request; give the step an undo:."


@dataclass(frozen=True, slots=True)
class Method:
    """What one HTTP method means as an action."""

    name: str
    repeat: Repeat
    already: frozenset[int]  # the answers which say that the target was in the wanted state before
    has_body: bool

    def perform(
        self,
        context: Context,
        *,
        path: str,
        query: Mapping[str, str] | None = None,
        json: Any = None,
        secret_headers: Mapping[str, str] | None = None,
        secret_json: Mapping[str, object] | None = None,
    ) -> Outcome:
        answer = context.http.request(
            self.name,
            _url(context, path),
            deadline=context.deadline,
            headers=_headers(context, secret_headers or {}),
            query=query,
            body=_body(json, secret_json),
        )
        return self._judged(context, answer, path)

    def preview(
        self,
        context: Context,
        *,
        path: str,
        query: Mapping[str, str] | None = None,
        json: Any = None,
        secret_headers: Mapping[str, str] | None = None,
        secret_json: Mapping[str, object] | None = None,
    ) -> Mapping[str, object]:
        secret_headers = secret_headers or {}
        headers = _headers(context, secret_headers)
        secret = {name.lower() for name in secret_headers}
        for name in headers:
            if name.lower() in secret:
                headers[name] = HIDDEN
            elif name == "Authorization":
                headers[name] = f"Bearer {HIDDEN}"
        rendered = {
            "method": self.name,
            "url": _url(context, path),
            "headers": headers,
            "query": dict(query or {}),
        }
        hidden = None if secret_json is None else dict.fromkeys(secret_json, HIDDEN)
        return {**rendered, "json": _body(json, hidden)} if self.has_body else rendered

    def _judged(self, context: Context, answer: Answer, path: str) -> Outcome:
        already = answer.status in self.already
        if not already and not 200 <= answer.status < 300:
            return self._failure(context, answer, path)
        body = answer.value()
        body = context.secrets.hide(body)[:TEXT_LIMIT] if isinstance(body, str) else body
        outputs = {"status": answer.status, "body": body, "truncated": answer.truncated}
        return Succeeded(outputs if self.name == "GET" else {**outputs, "changed": not already})

    def _failure(self, context: Context, answer: Answer, path: str) -> Failed:
        said = f"{self.name} {path} was answered with {answer.status}"
        if answer.status in {502, 504} and self.name != "GET":
            raise AnswerLostError(f"{said}: a gateway lost the answer, so whether it happened is not known.")
        wait = answer.retry_after(datetime.now(UTC))
        if wait is not None:
            seconds = wait.total_seconds()
            return Failed(
                f"{said}: the far side asks to wait {seconds:.0f} seconds.",
                permanent=False,
                retry_after=seconds,
            )
        if 300 <= answer.status < 400:
            host = urlsplit(answer.headers.get("location", "")).hostname or "another path"
            return Failed(f"{said}, a redirect to {host}, and redirects are not followed.", permanent=True)
        return Failed(
            f"{said}: {_beginning(context, answer)}",
            permanent=answer.status < 500 and answer.status not in {408, 425, 429},
        )


def _beginning(context: Context, answer: Answer) -> str:
    """The first 200 printable characters: error bodies are often pages of HTML. What is cut through could not be
    recognized as a secret any more, so secrets are hidden before.
    """
    text = context.secrets.hide(answer.body.decode(errors="replace"))[:2000]
    return (
        " ".join("".join(each if each.isprintable() else " " for each in text).split())[:200]
        or "no explanation."
    )


def _url(context: Context, path: str) -> str:
    """Raises RefusedError for a path that climbs out of the base address: also for far sides that decode %2f, take a
    backslash for it, or cut a segment at its semicolon.
    """
    segments = re.split(r"[/\\]", unquote(path))
    if any(segment.partition(";")[0] in {".", ".."} for segment in segments):
        raise RefusedError(f"The path {path} leaves the connection's base address. Correct the step's with:.")
    return context.text("base_url").rstrip("/") + path


def _body(json: Any, secret: Mapping[str, object] | None) -> Any:
    if secret is None:
        return json
    if json is not None and not isinstance(json, Mapping):
        raise RefusedError("json has to be an object where secret_json adds to it. Correct the step's with:.")
    return {**(json or {}), **secret}


def _headers(context: Context, secret: Mapping[str, str]) -> dict[str, str]:
    """Those of the connection, with `secret` in the place of what has the same name."""
    if refused := sorted(name for name in secret if name.lower() in NOT_OURS):
        raise RefusedError(f"The header {refused[0]} is not ours to set. Correct the step's with:.")
    replaced = {name.lower() for name in secret}
    kept = {name: each for name, each in _own_headers(context).items() if name.lower() not in replaced}
    return {**kept, **secret}


def _own_headers(context: Context) -> dict[str, str]:
    # A far side that knows the header does the same thing once, however often we have to ask for it.
    headers = {"Idempotency-Key": context.idempotency_key}
    headers.update(_header(line) for line in context.lines("headers"))
    if "token" in context.secrets:
        headers["Authorization"] = f"Bearer {context.secrets.reveal('token')}"
    return headers


def _header(line: str) -> tuple[str, str]:
    found = HEADER.fullmatch(line.strip())
    if found is None or found["name"].lower() in NOT_OURS | {"authorization"}:
        raise RefusedError(
            "A header of the connection is not of the form Name: value, or is not ours to set. Correct it."
        )
    return found["name"], found["value"]


def _binding(method: Method, label: str) -> Binding:
    reads = method.name == "GET"
    body: dict[str, Schema] = {"json": {}, "secret_json": SECRET_JSON} if method.has_body else {}
    inputs: dict[str, Schema] = {"path": PATH, "query": QUERY, "secret_headers": SECRET_HEADERS, **body}
    example = {"status": 200, "body": {"id": "a-17", "state": "active"}, "truncated": False}
    action = Action(
        key=f"http.{method.name.lower()}",
        label=label,
        inputs=record(inputs, optional=[name for name in inputs if name != "path"]),
        outputs=record(OUTPUTS if reads else {**OUTPUTS, "changed": FLAG}),
        effect=Effect.READ if reads else Effect.CHANGE,
        repeat=method.repeat,
        undo=NothingToUndo() if reads else Irreversible(NO_WAY_BACK),
        timeout=Timeout(default=30, maximum=300),
        target="path",
        example=example if reads else {**example, "changed": True},
    )
    return Binding(action, method.perform, method.preview, lookup=None, verify=None)


CONNECTOR = Connector(
    key="http",
    label="HTTP",
    fields=FIELDS,
    bindings=(
        _binding(Method("GET", Repeat.SAFE, frozenset(), has_body=False), "Read from an HTTP API"),
        _binding(Method("PUT", Repeat.SAFE, frozenset({409}), has_body=True), "Put to an HTTP API"),
        _binding(Method("POST", Repeat.NEVER, frozenset({409}), has_body=True), "Post to an HTTP API"),
        _binding(
            Method("DELETE", Repeat.SAFE, frozenset({404, 410}), has_body=False), "Delete at an HTTP API"
        ),
    ),
)
