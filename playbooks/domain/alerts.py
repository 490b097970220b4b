"""The normal form of an alert, and how it is made from our own form and from Suricata's (alerts.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from playbooks.domain.canonical import digest
from playbooks.domain.observables import (
    MAX_VALUE,
    OBSERVABLE_TYPES,
    by_type,
    extract,
    host_kind,
    normalized,
)
from playbooks.domain.problems import nearest

MAX_TITLE = 300
MAX_CATEGORY = 120

# What expressions may read under `alert`; the id is given when the alert is stored.
ALERT_FIELDS = (
    "id",
    "source",
    "external_id",
    "title",
    "description",
    "category",
    "severity",
    "severity_word",
    "detected_at",
    "received_at",
    "rule",
    "observables",
    "assets",
)
RULE_FIELDS = ("id", "name", "techniques")

# Suricata's priorities: 1 is the gravest; 4 to 255 are informational.
_SEVERITY = {1: 90, 2: 60, 3: 30}
_INFORMATIONAL = 10
_UNSAID = 30


@dataclass(frozen=True, slots=True)
class NormalAlert:
    """`severity` is 0 to 100, times are aware, `rule` has the keys of RULE_FIELDS."""

    source: str
    external_id: str
    fingerprint: str
    title: str
    description: str
    category: str
    severity: int
    severity_word: str  # the source's own
    detected_at: datetime
    received_at: datetime
    rule: Mapping[str, Any]
    observables: Mapping[str, tuple[str, ...]]
    assets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """`pointer` is a JSON Pointer (RFC 6901) into what was posted."""

    pointer: str
    detail: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why something is no alert; never empty."""

    faults: tuple[Fault, ...]


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    id: Annotated[str, Field(max_length=200)] = ""
    name: Annotated[str, Field(max_length=300)] = ""
    techniques: Annotated[list[Annotated[str, Field(max_length=20)]], Field(max_length=100)] = []


class _Body(BaseModel):
    """`POST /alerts/`."""

    model_config = ConfigDict(extra="forbid", strict=True)
    source: Annotated[str, Field(min_length=1, max_length=64)] = "api"
    external_id: Annotated[str, Field(max_length=500)] = ""
    fingerprint: Annotated[str, Field(max_length=500)] = ""
    title: Annotated[str, Field(min_length=1, max_length=MAX_TITLE)]
    description: Annotated[str, Field(max_length=100_000)] = ""
    category: Annotated[str, Field(max_length=MAX_CATEGORY)] = ""
    severity: Annotated[int, Field(ge=0, le=100)]
    severity_word: Annotated[str, Field(max_length=40)] = ""
    detected_at: str = ""
    rule: _Rule = _Rule()
    observables: dict[str, Annotated[list[str], Field(max_length=1000)]] = {}
    assets: Annotated[list[Annotated[str, Field(max_length=300)]], Field(max_length=1000)] = []


def normal(body: Mapping[str, object], received_at: datetime) -> NormalAlert | Rejected:
    """An alert that was posted in our own normal form. What it does not know is a fault, never ignored.

    Observables in the title and the description come after those that are named.
    """
    try:
        posted = _Body.model_validate(body)
    except ValidationError as error:
        return Rejected(tuple(_fault(each) for each in error.errors(include_url=False)))
    named, faults = _named_observables(posted.observables)
    detected_at = _time(posted.detected_at) if posted.detected_at else received_at
    if detected_at is None:
        faults.append(Fault("/detected_at", "This is no RFC 3339 time, such as 2026-01-31T09:30:00Z."))
    if faults or detected_at is None:
        return Rejected(tuple(faults))
    in_text = [(found.type, found.value) for found in extract(f"{posted.title}\n{posted.description}")]
    plain = {"source", "external_id", "title", "description", "category", "severity", "severity_word"}
    return NormalAlert(
        **posted.model_dump(include=plain),
        fingerprint=posted.fingerprint or digest(posted.model_dump()),
        detected_at=detected_at,
        received_at=received_at,
        rule=posted.rule.model_dump(),
        observables=by_type([*named, *in_text]),
        assets=tuple(dict.fromkeys(posted.assets)),
    )


def suricata(event: Mapping[str, object], received_at: datetime) -> NormalAlert | Rejected:
    """An EVE event of Suricata (its user guide, "EVE JSON Format"), which has to be of the type `alert`.

    The fingerprint is timestamp, flow and signature; an event of no flow is told apart by its addresses.
    """
    kind = event.get("event_type")
    if kind != "alert":
        return _rejected(
            "/event_type", f"Only events of the type 'alert' start an alert; this is {kind!r:.40}."
        )
    alert = event.get("alert")
    if not isinstance(alert, Mapping):
        return _rejected("/alert", "An alert event has an object here.")
    signature_id = alert.get("signature_id")
    if not isinstance(signature_id, int) or isinstance(signature_id, bool):
        return _rejected("/alert/signature_id", "The signature has a whole number as its id.")
    timestamp = _text(event, "timestamp")
    detected_at = _time(timestamp)
    if detected_at is None:
        return _rejected("/timestamp", "This is no ISO 8601 time.")
    name = _text(alert, "signature")
    flow = event.get("flow_id") or f"{_text(event, 'src_ip')}>{_text(event, 'dest_ip')}"
    return NormalAlert(
        source="suricata",
        external_id="",
        fingerprint=f"{timestamp}/{flow}/{signature_id}",
        title=(name or f"Suricata signature {signature_id}")[:MAX_TITLE],
        description="",
        category=_text(alert, "category")[:MAX_CATEGORY],
        **_severity(alert.get("severity")),
        detected_at=detected_at,
        received_at=received_at,
        rule={"id": str(signature_id), "name": name, "techniques": _techniques(alert)},
        observables=by_type(_suricata_observables(event)),
        assets=(),
    )


def _rejected(pointer: str, detail: str) -> Rejected:
    return Rejected((Fault(pointer, detail),))


def _fault(error: ErrorDetails) -> Fault:
    pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in error["loc"])
    name = str(error["loc"][-1]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        known = _Rule.model_fields if "rule" in error["loc"][:-1] else _Body.model_fields
        return Fault(pointer, f"There is no field '{name[:80]}'{nearest(name, known)}")
    if error["type"] == "missing":
        return Fault(pointer, f"The field '{name}' is missing.")
    return Fault(pointer, f"{error['msg']}.")


def _named_observables(posted: Mapping[str, Sequence[str]]) -> tuple[list[tuple[str, str]], list[Fault]]:
    named: list[tuple[str, str]] = []
    faults: list[Fault] = []
    for kind, values in posted.items():
        pointer = f"/observables/{kind.replace('~', '~0').replace('/', '~1')}"
        if kind not in OBSERVABLE_TYPES:
            faults.append(
                Fault(pointer, f"There is no such type of observable{nearest(kind, OBSERVABLE_TYPES)}")
            )
            continue
        for index, value in enumerate(values):
            try:
                named.append((kind, normalized(kind, value)))
            except ValueError as error:
                faults.append(Fault(f"{pointer}/{index}", f"{error}."))
    return named, faults


def _time(text: str) -> datetime | None:
    """Suricata may write no offset; its times are UTC then."""
    try:
        time = datetime.fromisoformat(text)
        aware = time if time.tzinfo else time.replace(tzinfo=UTC)
        return aware.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _severity(given: object) -> dict[str, Any]:
    if not isinstance(given, int) or isinstance(given, bool):
        return {"severity": _UNSAID, "severity_word": ""}
    return {"severity": _SEVERITY.get(given, _INFORMATIONAL), "severity_word": str(given)[:40]}


def _techniques(alert: Mapping[str, object]) -> list[str]:
    ids = _object(alert, "metadata").get("mitre_technique_id")
    return [each for each in ids if isinstance(each, str)] if isinstance(ids, list) else []


def _suricata_observables(event: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """The source address first, since that is what most playbooks act on."""
    yield from _hosts(_text(event, "src_ip"), _text(event, "dest_ip"))
    yield from _http(_object(event, "http"))
    dns = _object(event, "dns")
    questions = [dns, *_objects(dns, "query"), *_objects(dns, "queries")]
    yield from _hosts(*(_text(question, "rrname") for question in questions))
    yield from _hosts(*(_text(answer, "rdata") for answer in _objects(dns, "answers")))
    yield from _hosts(_text(_object(event, "tls"), "sni"))
    for file in (_object(event, "fileinfo"), *_objects(event, "files")):
        for algorithm in ("md5", "sha1", "sha256"):
            if value := _text(file, algorithm):
                yield "hash", value.lower()[:MAX_VALUE]


def _http(http: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    hostname, url, port = _text(http, "hostname"), _text(http, "url"), http.get("http_port")
    yield from _hosts(hostname)
    if "://" in url:
        yield "url", url[:MAX_VALUE]
    elif hostname and url.startswith("/"):
        place = f"{hostname}:{port}" if isinstance(port, int) and port != 80 else hostname
        yield "url", f"http://{place}{url}"[:MAX_VALUE]


def _hosts(*names: str) -> Iterator[tuple[str, str]]:
    for name in names:
        observable = host_kind(name)
        if observable:
            yield observable


def _text(record: Mapping[str, object], key: str) -> str:
    """A text field, empty where it is absent or of another type."""
    value = record.get(key)
    return value if isinstance(value, str) else ""


def _object(record: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = record.get(key)
    return value if isinstance(value, Mapping) else {}


def _objects(record: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    value = record.get(key)
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
