"""Alerts: posted in our own form, listed, and read."""

from __future__ import annotations

from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from playbooks.api.answers import answer, plains
from playbooks.api.authentication import actor_of, principal_of
from playbooks.api.endpoint import Endpoint, described, described_list, found
from playbooks.api.ingest import BODY, POST, Posted, Receiver, named_source
from playbooks.api.pagination import Listing, page
from playbooks.api.permissions import Need
from playbooks.domain.alerts import normal
from playbooks.queries import alerts as queries
from playbooks.queries.alerts import AlertRow, AlertView

LISTING = Listing(
    ordering=("-received_at", "-pk"),
    filters={
        "status": "status",
        "source": "source__slug",
        "case": "case",
        "severity_from": "severity__gte",
        "received_from": "received_at__gte",
        "received_to": "received_at__lt",
        "text": "title__icontains",
    },
    sortable=("received_at", "detected_at", "severity"),
)
SEE = Need(("see_alert",), "read")


class Alerts(Receiver):
    needs = {"GET": SEE, "POST": POST}

    @described_list("alerts_list", "Alerts, newest first", row=AlertRow, listing=LISTING)
    def get(self, request: Request) -> Response:
        rows = queries.alerts(principal_of(request))
        return page(
            rows, request, self, listing=LISTING, show=lambda found: plains([queries.row(a) for a in found])
        )

    @described("alerts_post", "Post alerts in normal form", body=BODY, answer=Posted, status=202)
    def post(self, request: Request) -> Response:
        actor = actor_of(request)
        return self.receive(request, normal, lambda alert: named_source(alert, actor))


class Alert(Endpoint):
    needs = {"GET": SEE}

    @described(
        "alerts_read", "One alert: observables, exact bytes, and what the triggers decided", answer=AlertView
    )
    def get(self, request: Request, pk: UUID) -> Response:
        return answer(found(queries.alert_view(pk, principal_of(request)), "alert", pk))
