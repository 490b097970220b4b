"""Whether a connection's settings are what its connector declares."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from urllib.parse import urlsplit

from playbooks.connectors.declaration import Connector, FieldKind
from playbooks.connectors.errors import RefusedError


def problems(
    connector: Connector, settings: Mapping[str, object], secrets: Collection[str]
) -> tuple[str, ...]:
    """A sentence for each thing wrong; `secrets` are the names of the secrets that the connection has."""
    known = {field.name for field in connector.fields if field.kind != "secret"}
    unknown = (f"{connector.label} has no setting {name}." for name in sorted(settings.keys() - known))
    return (*unknown, *_field_problems(connector, settings, secrets))


def configured(
    connector: Connector, settings: Mapping[str, object], secrets: Collection[str]
) -> dict[str, object]:
    """`settings` with the defaults filled in. Raises RefusedError with all that is wrong."""
    if wrong := problems(connector, settings, secrets):
        raise RefusedError(f"The connection is not configured: {' '.join(wrong)}")
    return {
        field.name: settings.get(field.name, field.default)
        for field in connector.fields
        if field.kind != "secret"
    }


def _field_problems(
    connector: Connector, settings: Mapping[str, object], secrets: Collection[str]
) -> Iterator[str]:
    for field in connector.fields:
        if field.kind == "secret":
            if field.required and field.name not in secrets:
                yield f"The secret {field.label} is missing."
            continue
        value = settings.get(field.name, field.default)
        if _is_empty(value):
            if field.required:
                yield f"{field.label} is missing."
        elif not _FITS[field.kind](value):
            yield f"{field.label} has to be {_WANTED[field.kind]}."


def _is_empty(value: object) -> bool:
    return value is None or value in ("", (), [])


def _is_url(value: object) -> bool:
    """With a host and without a user: credentials belong into secrets."""
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return False


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)


_FITS: Mapping[FieldKind, Callable[[object], bool]] = {
    "text": lambda value: isinstance(value, str),
    "url": _is_url,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "list": _is_list,
}

_WANTED: Mapping[FieldKind, str] = {
    "text": "text",
    "url": "an http:// or https:// address without a user in it",
    "integer": "a whole number",
    "boolean": "true or false",
    "list": "a list of texts",
}
