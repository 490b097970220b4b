"""Alerts come in: in our own form by principals, in a product's form by a source with its token."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from pydantic import RootModel
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from playbooks import access
from playbooks.api import posted
from playbooks.api.answers import FieldProblem, answer
from playbooks.api.authentication import Sender, actor_of, caller_of, principal_of
from playbooks.api.endpoint import Endpoint, described
from playbooks.api.parsing import JSONBytesParser, JSONLinesParser
from playbooks.api.permissions import Need
from playbooks.api.posted import Part
from playbooks.audit import Actor
from playbooks.domain import alerts as forms
from playbooks.domain.alerts import NormalAlert, Rejected
from playbooks.domain.problems import Unreadable
from playbooks.models import Principal, Source
from playbooks.operations import alerts as operations
from playbooks.operations.alerts import Accepted, Incoming
from playbooks.operations.people import create_source
from playbooks.operations.refusals import Invalid, Missing

Kind = Literal["normal", "suricata"]
Form = Callable[[Mapping[str, object], datetime], NormalAlert | Rejected]
FORMS: Mapping[str, Form] = {"normal": forms.normal, "suricata": forms.suricata}

POST = Need(("triage_alert", "manage_source"), "ingest")


@dataclass(frozen=True, slots=True)
class AcceptedAlert:
    """`duplicate_of` is the alert that was there already, which is then also `id`."""

    id: UUID
    duplicate_of: UUID | None
    case: UUID
    runs: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class AcceptedItem:
    index: int
    id: UUID
    duplicate_of: UUID | None
    case: UUID
    runs: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class RefusedItem:
    index: int
    errors: tuple[FieldProblem, ...]


@dataclass(frozen=True, slots=True)
class Results:
    """One for each alert of a list, in order: a bad one does not lose the others."""

    results: tuple[AcceptedItem | RefusedItem, ...]


class Posted(RootModel[AcceptedAlert | Results]):
    """What is answered to one alert, and to a list."""


BODY = {"application/json": OpenApiTypes.ANY, "application/x-ndjson": OpenApiTypes.ANY}


class Receiver(Endpoint):
    """Takes one alert, an array, or one a line, and keeps the bytes of each."""

    parser_classes = (JSONBytesParser, JSONLinesParser)

    def receive(self, request: Request, form: Form, source_of: Callable[[NormalAlert], Source]) -> Response:
        """202 means that everything that is answered with an id is committed."""
        data: object = request.data
        body = data if isinstance(data, bytes) else b""
        person = None if isinstance(request.user, Sender) else principal_of(request)
        post = _Post(form, source_of, actor_of(request), person)
        if (request.content_type or "").startswith(JSONLinesParser.media_type):
            return _answer_list(post, posted.lines(body))
        part = posted.single(body)
        if part is None:
            return _answer_list(post, posted.elements(body))
        return answer(AcceptedAlert(*_said(post.accept([post.read(part)])[0])), status=202)


class Ingest(Receiver):
    needs = {"POST": Need(POST.permissions, POST.scope, sources_too=True)}

    @described(
        "ingest",
        "Post alerts as the source's product writes them",
        body=BODY,
        answer=Posted,
        status=202,
    )
    def post(self, request: Request, source: str) -> Response:
        row = _source(request, source)
        if row.kind not in FORMS:
            raise Invalid(
                [("", f"The source {row} is of the kind {row.kind}, which cannot be read. Make a new one.")]
            )
        return self.receive(request, FORMS[row.kind], lambda _alert: row)


def named_source(alert: NormalAlert, actor: Actor) -> Source:
    """The source that an alert in normal form names; one that is new is made."""
    found = Source.objects.filter(slug=alert.source).first()
    kind = alert.source if alert.source in FORMS else get_args(Kind)[0]
    return found or create_source(alert.source, kind=kind, actor=actor)


def _source(request: Request, slug: str) -> Source:
    if isinstance(request.user, Sender):
        if request.user.source.slug != slug:
            raise exceptions.PermissionDenied(
                "The token of a source may only post to that source's own address."
            )
        return request.user.source
    row = Source.objects.filter(slug=slug).first()
    if row is None:
        raise Missing(f"There is no source {slug}.")
    caller_of(request).require_within_reach(row, f"source {slug}")
    return row


@dataclass(frozen=True, slots=True)
class _Post:
    """How the alerts of one request are read, whose they are, and who posts them."""

    form: Form
    source_of: Callable[[NormalAlert], Source]
    actor: Actor
    posted_by: Principal | None

    def read(self, part: Part) -> Incoming:
        """Raises Unreadable or Invalid."""
        value = part.read()
        if not isinstance(value, dict):
            raise Invalid([("", "An alert is a JSON object.")])
        alert = self.form(value, timezone.now())
        if isinstance(alert, Rejected):
            raise Invalid([(each.pointer, each.detail) for each in alert.faults])
        source = self.source_of(alert)
        if not self._may_post(source):
            raise Invalid([("/source", f"You may not post for the source {source}: it is another team's.")])
        return Incoming(alert, source, part.raw)

    def _may_post(self, source: Source) -> bool:
        if self.posted_by is None or source.team_id is None:
            return True
        return access.within_reach(self.posted_by, Source.objects.filter(pk=source.pk)).exists()

    def accept(self, incoming: Sequence[Incoming]) -> list[Accepted]:
        return operations.ingest_all(incoming, actor=self.actor, posted_by=self.posted_by)


def _answer_list(post: _Post, parts: list[Part]) -> Response:
    """What can be read is accepted together; of everything else it is said why not."""
    read = [_read(post, index, part) for index, part in enumerate(parts)]
    accepted = iter(post.accept([each for each in read if isinstance(each, Incoming)]))
    results = tuple(
        each if isinstance(each, RefusedItem) else AcceptedItem(index, *_said(next(accepted)))
        for index, each in enumerate(read)
    )
    return answer(Results(results), status=202)


def _read(post: _Post, index: int, part: Part) -> Incoming | RefusedItem:
    try:
        return post.read(part)
    except Invalid as error:
        return RefusedItem(index, tuple(FieldProblem(*each) for each in error.errors))
    except Unreadable as error:
        return RefusedItem(
            index, tuple(FieldProblem("", p.message, p.line, p.column) for p in error.problems)
        )


def _said(accepted: Accepted) -> tuple[UUID, UUID | None, UUID, tuple[UUID, ...]]:
    duplicate_of = None if accepted.is_new else accepted.alert
    return accepted.alert, duplicate_of, accepted.case, accepted.runs
