"""The audit log: searched, proved and exported."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from django.db.models import Q
from django.http import FileResponse, HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from playbooks.api.answers import answer, plains
from playbooks.api.authentication import actor_of, principal_of
from playbooks.api.endpoint import Endpoint, described, described_list, found
from playbooks.api.pagination import Listing, instant, page
from playbooks.api.permissions import Need
from playbooks.audit import bundle, scopes
from playbooks.audit.scopes import Scope
from playbooks.models import Principal
from playbooks.operations.refusals import Invalid
from playbooks.queries import audit as queries
from playbooks.queries.audit import CheckpointView, Consistency, EntryView, Proof
from playbooks.queries.cases import cases
from playbooks.queries.people import people
from playbooks.queries.runs import runs

SEE = Need(("see_audit",), "read")
LISTING = Listing(
    ordering=("-id",),
    filters={
        "from": "occurred_at__gte",
        "to": "occurred_at__lt",
        "actor": "actor_id",
        "verb": "verb",
        "subject": "subject_id",
        "outcome": "outcome",
        "text": "subject_label__icontains",
    },
)
ABOUT = (
    OpenApiParameter("case", UUID, description="Everything about a case, its alerts and its runs."),
    OpenApiParameter("run", UUID, description="Everything about a run."),
)
SCOPES = (
    *ABOUT,
    OpenApiParameter("person", str, description="What a person did: a username or an id."),
    OpenApiParameter("from", datetime, description="A period, with `to`."),
    OpenApiParameter("to", datetime, description="The end of the period, not included."),
)
MEDIA_TYPES = {"bundle": "application/zip", "jsonl": "application/x-ndjson"}
SUFFIXES = {"bundle": "zip", "jsonl": "jsonl"}


class Entries(Endpoint):
    needs = {"GET": SEE}

    @described_list(
        "audit_entries", "Audit entries, newest first", row=EntryView, listing=LISTING, parameters=ABOUT
    )
    def get(self, request: Request) -> Response:
        about = {name: str(_uuid(request, name)) for name in ("case", "run") if name in request.query_params}
        rows = queries.entries(principal_of(request), **about)
        return page(
            rows,
            request,
            self,
            listing=LISTING,
            show=lambda found: plains([queries.view(each) for each in found]),
            also=frozenset({"case", "run"}),
        )


class Checkpoint(Endpoint):
    needs = {"GET": SEE}

    @described(
        "audit_checkpoint",
        "The newest signed state of the log",
        answer={(200, "application/json"): CheckpointView, (200, "text/plain"): OpenApiTypes.STR},
        parameters=[
            OpenApiParameter("format", str, enum=["json", "note"], description="note: as it was signed.")
        ],
    )
    def get(self, request: Request) -> Response | HttpResponse:
        checkpoint = found(queries.checkpoint(), "signed checkpoint", "yet")
        match request.query_params.get("format", "json"):
            case "json":
                return answer(checkpoint)
            case "note":
                return HttpResponse(checkpoint.note, content_type="text/plain; charset=utf-8")
        raise Invalid([("", "The format can be json or note.")])


class InclusionProof(Endpoint):
    needs = {"GET": SEE}

    @described("audit_proof", "That an entry is in the signed tree", answer=Proof)
    def get(self, request: Request, entry: int) -> Response:
        return answer(
            found(queries.proof(entry, principal_of(request)), "entry in the signed tree (yet):", entry)
        )


class ConsistencyProof(Endpoint):
    needs = {"GET": SEE}

    @described(
        "audit_consistency",
        "That a tree is the continuation of an older one",
        answer=Consistency,
        parameters=[OpenApiParameter("old", int, required=True), OpenApiParameter("new", int, required=True)],
    )
    def get(self, request: Request) -> Response:
        proof = queries.consistency_of(_size(request, "old"), _size(request, "new"))
        if proof is None:
            raise Invalid([("", "It has to be 1 ≤ old ≤ new ≤ the size of the newest checkpoint.")])
        return answer(proof)


class Export(Endpoint):
    needs = {"GET": Need(("export_audit",), "read")}

    @described(
        "audit_export",
        "The entries of a case, a run, a person or a period; the export is an entry itself",
        answer={(200, each): OpenApiTypes.BINARY for each in MEDIA_TYPES.values()},
        parameters=[*SCOPES, OpenApiParameter("format", str, enum=list(MEDIA_TYPES))],
    )
    def get(self, request: Request) -> FileResponse:
        """Made on disk and sent from there, so that it needs the same memory whatever its size."""
        form = request.query_params.get("format", "bundle")
        if form not in MEDIA_TYPES:
            raise Invalid([("", f"The format can be {' or '.join(MEDIA_TYPES)}.")])
        scope = _scope(request)
        file = tempfile.TemporaryFile()  # noqa: SIM115 — the response closes it
        bundle.make(scope, file, actor=actor_of(request), now=timezone.now(), form=form, wait=bundle.pause)
        file.seek(0)
        name = f"countersign-{scope.kind}-{timezone.now():%Y%m%dT%H%M%SZ}.{SUFFIXES[form]}"
        return FileResponse(file, as_attachment=True, filename=name, content_type=MEDIA_TYPES[form])


def _scope(request: Request) -> Scope:
    """What the export is about. Raises Invalid unless it is exactly one thing, Missing for an unknown one."""
    named = {name for name in ("case", "run", "person", "from", "to") if request.query_params.get(name)}
    for kind, scope in _SCOPES.items():
        if named == {kind}:
            return scope(request, principal_of(request))
    if named != {"from", "to"}:
        raise Invalid([("", "Say what to export: case, run, person, or from and to.")])
    return scopes.period(instant(request.query_params["from"]), instant(request.query_params["to"]))


def _case(request: Request, person: Principal) -> Scope:
    pk = _uuid(request, "case")
    return scopes.case(str(found(cases(person).filter(pk=pk).first(), "case", pk).pk))


def _run(request: Request, person: Principal) -> Scope:
    pk = _uuid(request, "run")
    return scopes.run(str(found(runs(person).filter(pk=pk).first(), "run", pk).pk))


def _person(request: Request, person: Principal) -> Scope:
    key = request.query_params["person"]
    try:
        wanted = Q(pk=UUID(key))
    except ValueError:
        wanted = Q(username=key)
    return scopes.person(str(found(people(person).filter(wanted).first(), "person", key).pk))


_SCOPES: dict[str, Callable[[Request, Principal], Scope]] = {"case": _case, "run": _run, "person": _person}


def _uuid(request: Request, name: str) -> UUID:
    try:
        return UUID(request.query_params[name])
    except ValueError:
        raise Invalid([("", f"The parameter {name} is an id.")]) from None


def _size(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Invalid([("", f"The parameter {name} is the size of a tree, a whole number.")])
    return int(text)
