"""Dry runs: what a version would do and ask, without anything being done."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from playbooks.api.answers import answer
from playbooks.api.authentication import caller_of
from playbooks.api.endpoint import Endpoint, described
from playbooks.api.parsing import Body, read
from playbooks.api.permissions import Need
from playbooks.operations import dry_runs as operations
from playbooks.operations.dry_runs import About, DryRun, Reads


class DryRunRequest(Body):
    """What is walked. At most one of `alert`, which is stored, and `sample`, a body as `POST /alerts/` takes it.

    `choose` says what happens on the way, by the id of a step or its place such as `hosts[3].isolate`: a gate is
    `approve`, `deny` or `late`; a step that acts, a script or a playbook that is run `succeed` or `fail`; an event
    `arrives` or is `late`; a question is `late`. An object gives the outputs of an action, the answers to a question,
    the data of an event, or the choices within the playbook that a step runs. What is not chosen goes well.

    With `reads: performed`, what only reads is really asked over real connections; it takes the right to start runs.
    """

    alert: UUID | None = None
    sample: dict[str, Any] | None = None
    inputs: dict[str, Any] = {}
    choose: dict[str, Any] = {}
    reads: Reads = Reads.SIMULATED


class DryRuns(Endpoint):
    needs = {"POST": Need(tuple(sorted(operations.MAY)), "author")}

    @described(
        "playbooks_dry_run",
        "What a version of any status would do and ask, with nothing done",
        body=DryRunRequest,
        answer=DryRun,
    )
    def post(self, request: Request, slug: str, number: int) -> Response:
        body = read(DryRunRequest, request)
        about = About(body.alert, body.sample, body.inputs, body.choose, body.reads)
        return answer(operations.dry_run(slug, number, about, caller=caller_of(request)))
