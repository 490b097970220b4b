"""Bodies: strict JSON, playbook text, or the posted bytes as they are; each with its limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from playbooks.api.problems import TooLarge
from playbooks.domain.problems import Problem, Unreadable
from playbooks.domain.strict_json import read_json
from playbooks.operations.refusals import Invalid

MEBIBYTE = 1024 * 1024
REQUEST_LIMIT = 10 * MEBIBYTE
KEY_LENGTH = 200


class Body(BaseModel):
    """A JSON body. A field that it does not name is an error, and so is a value of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Shape = TypeVar("Shape", bound=Body)


class StrictJSONParser(BaseParser):
    media_type = "application/json"

    def parse(  # type: ignore[override]  # the framework takes any value
        self,
        stream: IO[Any],
        media_type: str | None = None,  # noqa: ARG002
        parser_context: Any = None,  # noqa: ARG002
    ) -> object:
        """Raises Unreadable with line and column, TooLarge above the limit."""
        return read_json(limited(stream))


class BytesParser(BaseParser):
    """The body exactly as it was posted."""

    def parse(  # type: ignore[override]  # the framework takes any value
        self,
        stream: IO[Any],
        media_type: str | None = None,  # noqa: ARG002
        parser_context: Any = None,  # noqa: ARG002
    ) -> bytes:
        return limited(stream)


class JSONBytesParser(BytesParser):
    media_type = "application/json"


class JSONLinesParser(BytesParser):
    media_type = "application/x-ndjson"


class YAMLParser(BaseParser):
    """The text of a playbook."""

    media_type = "text/yaml"

    def parse(  # type: ignore[override]  # the framework takes any value
        self,
        stream: IO[Any],
        media_type: str | None = None,  # noqa: ARG002
        parser_context: Any = None,  # noqa: ARG002
    ) -> str:
        try:
            return limited(stream).decode()
        except UnicodeDecodeError as error:
            raise Unreadable([Problem(1, error.start + 1, "this byte is not UTF-8")]) from None


class ApplicationYAMLParser(YAMLParser):
    """The registered name of the same (RFC 9512)."""

    media_type = "application/yaml"


class JSONTextParser(YAMLParser):
    """A playbook written as JSON: every JSON text is YAML."""

    media_type = "application/json"


def limited(stream: IO[Any]) -> bytes:
    """The whole body. Raises TooLarge without reading further than the limit."""
    body: bytes = stream.read(REQUEST_LIMIT + 1)
    if len(body) > REQUEST_LIMIT:
        raise TooLarge(f"A request has at most {REQUEST_LIMIT // MEBIBYTE} MiB. Send it in parts.")
    return body


def read(shape: type[Shape], request: Request) -> Shape:
    """The body as `shape`. Raises Invalid with a JSON pointer (RFC 6901) for each thing wrong."""
    try:
        return shape.model_validate(request.data)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        raise Invalid([(pointer(each["loc"]), _sentence(each)) for each in details]) from None


def pointer(path: tuple[str | int, ...]) -> str:
    return "".join(f"/{str(each).replace('~', '~0').replace('/', '~1')}" for each in path)


def idempotency_key(request: Request) -> str:
    """The Idempotency-Key of the call, empty where it has none."""
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > KEY_LENGTH:
        raise Invalid([("", f"An Idempotency-Key has at most {KEY_LENGTH} characters.")])
    return key


def _sentence(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "There is no such field."
    if error["type"] == "missing":
        return "This field is needed."
    return f"{error['msg']}."
