"""What an export is about, and which entries belong to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Max, Min, QuerySet

from playbooks.audit.writing import Stream
from playbooks.domain.entries import moment, parse_body
from playbooks.domain.verbs import Verb
from playbooks.models.audit import AuditBody, AuditEntry, AuditLeaf, AuditStream

ATTACHED = {Verb.ALERT_ATTACHED: "alert", Verb.RUN_ATTACHED: "run"}
EXPORTS = Stream("system", "exports")
CHUNK = 500


@dataclass(frozen=True, slots=True)
class Scope:
    """A case, a run, what a person did, or a period; make one with the functions of those names."""

    kind: str
    id: str = ""
    since: str = ""
    until: str = ""

    def as_json(self) -> dict[str, str]:
        if self.kind == "period":
            return {"kind": self.kind, "from": self.since, "to": self.until}
        return {"kind": self.kind, "id": self.id}

    @property
    def home(self) -> Stream:
        """The stream in which an export of this scope is recorded."""
        return Stream(self.kind, self.id) if self.kind in {"case", "run"} else EXPORTS

    def __str__(self) -> str:
        return f"{self.since} to {self.until}" if self.kind == "period" else f"{self.kind} {self.id}"


def case(key: str) -> Scope:
    return Scope("case", key)


def run(key: str) -> Scope:
    return Scope("run", key)


def person(key: str) -> Scope:
    return Scope("person", key)


def period(since: datetime, until: datetime) -> Scope:
    """From `since` (included) to `until` (excluded)."""
    return Scope("period", since=moment(since), until=moment(until))


@dataclass(frozen=True, slots=True)
class Selection:
    """Exactly which entries an export holds: whole streams up to a number, or places of the tree."""

    scope: Scope
    streams: tuple[AuditStream, ...]
    range: tuple[int, int] | None
    tree_size: int

    def rows(self) -> Iterator[AuditEntry]:
        """The entries with stream, body and place in the tree, in the order of the export."""
        for query in self._queries():
            yield from query.select_related("stream", "body", "tree").iterator(CHUNK)

    def count(self) -> int:
        return sum(query.count() for query in self._queries())

    def _queries(self) -> Iterator[QuerySet[AuditEntry]]:
        for stream in self.streams:
            whole = AuditEntry.objects.filter(stream_id=stream.pk, stream_seq__lte=stream.last_seq)
            yield whole.order_by("stream_seq")
        if self.scope.kind == "person":
            done = AuditEntry.objects.filter(actor_id=self.scope.id, tree__index__lt=self.tree_size)
            yield done.order_by("tree__index")
        if self.range is not None:
            yield AuditEntry.objects.filter(tree__index__range=self.range).order_by("tree__index")


def select(scope: Scope) -> Selection:
    """What belongs to the scope now. For a case or run, call it with the scope's own stream locked."""
    newest = AuditLeaf.objects.aggregate(newest=Max("index"))["newest"]
    size = 0 if newest is None else newest + 1
    streams = _streams(scope) if scope.kind in {"case", "run"} else ()
    return Selection(scope, streams, _range(scope, size) if scope.kind == "period" else None, size)


def named_by_case(case_key: str) -> list[Stream]:
    """The streams of alerts and runs that became part of the case, in order."""
    bodies = AuditBody.objects.filter(
        entry__stream__kind="case",
        entry__stream__key=case_key,
        entry__verb__in=[verb.value for verb in ATTACHED],
    )
    facts = (
        _named(bytes(body)) for body in bodies.order_by("entry__stream_seq").values_list("body", flat=True)
    )
    return list(dict.fromkeys(facts))


def _named(body: bytes) -> Stream:
    parsed = parse_body(body)
    kind = ATTACHED[Verb(parsed.verb)]
    return Stream(kind, parsed.facts[kind])


def _streams(scope: Scope) -> tuple[AuditStream, ...]:
    wanted = [scope.home, *(named_by_case(scope.id) if scope.kind == "case" else [])]
    rows = AuditStream.objects.filter(key__in=[stream.key for stream in wanted])
    found = {Stream(row.kind, row.key): row for row in rows}
    return tuple(found.get(stream) or AuditStream(kind=stream.kind, key=stream.key) for stream in wanted)


def _range(scope: Scope, size: int) -> tuple[int, int] | None:
    """The places of the period's entries, and one more on either side that shows that none is missing."""
    if size == 0:
        return None
    leaves = AuditLeaf.objects.filter(index__lt=size)
    since, until = datetime.fromisoformat(scope.since), datetime.fromisoformat(scope.until)
    inside = leaves.filter(entry__occurred_at__gte=since, entry__occurred_at__lt=until)
    places: Mapping[str, Any] = inside.aggregate(first=Min("index"), last=Max("index"))
    after = leaves.filter(entry__occurred_at__gte=until)
    first = places["first"]
    if first is None:
        first = after.aggregate(first=Min("index"))["first"]
        first = size if first is None else first
    last = first - 1 if places["last"] is None else places["last"]
    before = leaves.filter(index__lt=first, entry__occurred_at__lt=since).aggregate(last=Max("index"))["last"]
    beyond = after.filter(index__gt=last).aggregate(first=Min("index"))["first"]
    return before or 0, size - 1 if beyond is None else beyond
