"""Answers: the frozen views of the queries as JSON, and the same types as schemas of the OpenAPI document."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Sequence
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.plumbing import ResolvedComponent
from pydantic import BaseModel, TypeAdapter
from rest_framework.response import Response


@dataclasses.dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong at one place: a JSON pointer (RFC 6901), or line and column of the body, from 1."""

    pointer: str
    detail: str
    line: int | None = None
    column: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Denied:
    rule: str
    sentence: str


@dataclasses.dataclass(frozen=True, slots=True)
class ProblemDetails:
    """RFC 9457. A refusal adds `rule` (the first denial's name) and all `denials`."""

    type: str
    title: str
    status: int
    detail: str
    rule: str = ""
    denials: tuple[Denied, ...] = ()
    errors: tuple[FieldProblem, ...] = ()


def answer(value: Any, *, status: int = 200) -> Response:
    """A view as the body of a response."""
    return Response(plain(value), status=status)


def plain(value: Any) -> Any:
    """A view as JSON values: times in RFC 3339, identifiers as text."""
    return _adapter(type(value)).dump_python(value, mode="json")


def plains(values: Sequence[Any]) -> list[Any]:
    return [plain(each) for each in values]


def page_of(row: type[Any]) -> type[Any]:
    """The shape of a page of `row` (pagination.py)."""
    fields = [("results", tuple[row, ...]), ("next", str | None), ("previous", str | None)]  # type: ignore[valid-type]
    return dataclasses.make_dataclass(f"{row.__name__}Page", fields, frozen=True, slots=True)


class ViewSchema(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Teaches the generator dataclasses and pydantic models; pydantic writes their JSON Schema."""

    priority = 1

    @classmethod
    def _matches(cls, target: Any) -> bool:
        return inspect.isclass(target) and (dataclasses.is_dataclass(target) or issubclass(target, BaseModel))

    def get_name(self, auto_schema: Any, direction: str) -> str:  # noqa: ARG002 — the framework's signature
        name: str = self.target.__name__
        return name

    def get_identity(self, auto_schema: Any, direction: str) -> str:
        """By name, since the definitions inside a schema are known by name only."""
        return self.get_name(auto_schema, direction)

    def map_serializer(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        mode = "validation" if direction == "request" else "serialization"
        schema = _adapter(self.target).json_schema(mode=mode, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
        for name, definition in schema.pop("$defs", {}).items():
            component = ResolvedComponent(  # type: ignore[no-untyped-call]
                name=name, type=ResolvedComponent.SCHEMA, object=name, schema=definition
            )
            auto_schema.registry.register_on_missing(component)
        return schema


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(shape: type[Any]) -> TypeAdapter[Any]:
    """Building one is slow, so each is kept."""
    if shape not in _ADAPTERS:
        _ADAPTERS[shape] = TypeAdapter(shape)
    return _ADAPTERS[shape]
