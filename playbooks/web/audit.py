"""The audit log: searched, one entry with its proof, and exports."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from playbooks import access
from playbooks.audit import bundle, scopes
from playbooks.audit.bundle import ExportError
from playbooks.audit.scopes import Scope
from playbooks.domain.tree import verify_inclusion
from playbooks.models import Principal
from playbooks.queries import audit as queries
from playbooks.queries.audit import CheckpointView, Named, Proof
from playbooks.queries.cases import cases
from playbooks.queries.health import CHECKPOINT_AGE
from playbooks.queries.people import people
from playbooks.queries.runs import runs
from playbooks.web.callers import caller_of, person_of, require
from playbooks.web.forms import Export
from playbooks.web.listing import choice, filters, page_of, search_of, searched

OUTCOMES = {
    "": "All",
    "refused": "Refused",
    "approve": "Approvals",
    "deny": "Denials",
    "confirm": "Self-confirmed",
}
PAGES = {"request": "approval", "run": "run", "case": "case", "alert": "alert"}
FILES = {"bundle": ("zip", "application/zip"), "jsonl": ("jsonl", "application/x-ndjson")}


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The entries before and after in the same stream, None at its ends."""

    before: int | None
    after: int | None


@require_safe
@login_required
def audit(request: HttpRequest) -> HttpResponse:
    """Everything, or with `?case=` or `?run=` everything about one of them."""
    require(request, "see_audit", "read the audit log")
    person, search = person_of(request), search_of(request)
    about = {name: str(pk) for name in ("case", "run") if (pk := _id(request, name))}
    rows = queries.entries(person, **about)
    rows = searched(rows, search, "actor_label", "subject_label", "verb")
    outcome = choice(request, "outcome", OUTCOMES)
    rows = rows.filter(outcome=outcome) if outcome else rows
    checkpoint = queries.checkpoint()
    context = {
        "page": page_of(rows, request, lambda found: [queries.view(each) for each in found]),
        "filters": filters(request, "outcome", OUTCOMES),
        "search": search,
        "about": about,
        "checkpoint": checkpoint,
        "is_current": checkpoint is not None and _is_current(checkpoint),
        "may_export": access.may(person, "export_audit"),
    }
    return render(request, "audit.html", context)


@require_safe
@login_required
def entry(request: HttpRequest, pk: int) -> HttpResponse:
    require(request, "see_audit", "read the audit log")
    person = person_of(request)
    row = queries.entries(person).filter(pk=pk).first()
    if row is None:
        raise Http404(f"There is no audit entry {pk}.")
    proof = queries.proof(pk, person)
    view = queries.view(row)
    context = {
        "entry": view,
        "body": bytes(row.body.body).decode(),
        "previous": bytes(row.previous).hex(),
        "subject_url": _page_of(view.subject),
        "neighbours": _neighbours(row, person),
        "proof": proof,
        "is_proved": proof is not None and _leads_to_root(proof),
    }
    return render(request, "audit_entry.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def export(request: HttpRequest) -> HttpResponseBase:
    """The form, and with a POST the file. It is made on disk, so that it needs the same memory whatever its size."""
    require(request, "export_audit", "export evidence")
    if request.method != "POST":
        return _form(request, Export(initial={name: request.GET.get(name, "") for name in ("case", "run")}))
    form = Export(request.POST)
    if not form.is_valid():
        return _form(request, form, HTTPStatus.BAD_REQUEST)
    scope = _scope(form, person_of(request))
    if scope is None:
        form.add_error(None, "The log has nothing under this name that you may see.")
        return _form(request, form, HTTPStatus.NOT_FOUND)
    try:
        return _file(request, scope, form.cleaned_data["form"])
    except ExportError as error:
        form.add_error(None, str(error))
        return _form(request, form, HTTPStatus.CONFLICT)


def _form(request: HttpRequest, form: Export, status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
    return render(request, "export.html", {"form": form, "public_key": queries.public_key()}, status=status)


def _file(request: HttpRequest, scope: Scope, form: str) -> FileResponse:
    file = tempfile.TemporaryFile()  # noqa: SIM115 — the response closes it
    now = timezone.now()
    bundle.make(scope, file, actor=caller_of(request).actor, now=now, form=form, wait=bundle.pause)
    file.seek(0)
    suffix, media_type = FILES[form]
    name = f"countersign-{scope.kind}-{now:%Y%m%dT%H%M%SZ}.{suffix}"
    return FileResponse(file, as_attachment=True, filename=name, content_type=media_type)


def _scope(form: Export, person: Principal) -> Scope | None:
    """What the form asks for; None where the person may not see it."""
    data = form.cleaned_data
    if data["since"]:
        return scopes.period(data["since"], data["until"])
    if data["case"]:
        return scopes.case(str(data["case"])) if cases(person).filter(pk=data["case"]).exists() else None
    if data["run"]:
        return scopes.run(str(data["run"])) if runs(person).filter(pk=data["run"]).exists() else None
    named = people(person).filter(username=data["person"]).first()
    return scopes.person(str(named.pk)) if named else None


def _is_current(checkpoint: CheckpointView) -> bool:
    return timezone.now() - checkpoint.signed_at < CHECKPOINT_AGE


def _leads_to_root(proof: Proof) -> bool:
    path = [bytes.fromhex(each) for each in proof.path]
    leaf, root = bytes.fromhex(proof.leaf), bytes.fromhex(proof.checkpoint.root)
    return verify_inclusion(leaf, proof.index, proof.checkpoint.size, path, root)


def _neighbours(row: Any, person: Principal) -> Neighbours:
    beside = [row.stream_seq - 1, row.stream_seq + 1]
    same = queries.entries(person).filter(stream=row.stream_id, stream_seq__in=beside)
    found = dict(same.values_list("stream_seq", "pk"))
    return Neighbours(found.get(beside[0]), found.get(beside[1]))


def _page_of(subject: Named) -> str:
    page = PAGES.get(subject.kind)
    return reverse(page, args=[subject.id]) if page else ""


def _id(request: HttpRequest, name: str) -> UUID | None:
    try:
        return UUID(request.GET.get(name, ""))
    except ValueError:
        return None
