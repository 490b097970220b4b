"""The targets that no action changes, whoever approves."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import StringConstraints
from rest_framework.request import Request
from rest_framework.response import Response

from playbooks.api.answers import answer, plains
from playbooks.api.authentication import caller_of, principal_of
from playbooks.api.endpoint import Endpoint, described, described_list
from playbooks.api.pagination import Listing, page
from playbooks.api.parsing import Body, read
from playbooks.api.permissions import Need
from playbooks.api.policies import PolicyReason
from playbooks.domain.policies.never_touch import TargetKind
from playbooks.operations import never_touch as operations
from playbooks.queries import policies as queries
from playbooks.queries.policies import ProtectedView

LISTING = Listing(("kind", "value", "pk"), {"kind": "kind", "text": "value__icontains"})


class Protect(Body):
    """`value` is an address or a range for kind address, else a name."""

    kind: TargetKind
    value: Annotated[str, StringConstraints(min_length=1, max_length=253)]
    reason: Annotated[str, StringConstraints(min_length=1, max_length=2000)]


class NeverTouch(Endpoint):
    needs = {"GET": Need(("see_policy",), "read"), "POST": Need(("write_policy",), None)}

    @described_list("never_touch_list", "The never-touch list", row=ProtectedView, listing=LISTING)
    def get(self, request: Request) -> Response:
        rows = queries.protected(principal_of(request))
        return page(
            rows,
            request,
            self,
            listing=LISTING,
            show=lambda found: plains([queries.protected_view(each) for each in found]),
        )

    @described(
        "never_touch_add",
        "Put a target on the list",
        body=Protect,
        answer=ProtectedView,
        status=201,
        is_write=True,
    )
    def post(self, request: Request) -> Response:
        body = read(Protect, request)
        row = operations.add(body.kind, body.value, caller=caller_of(request), reason=body.reason)
        return answer(queries.protected_view(row), status=201)


class Removal(Endpoint):
    needs = {"POST": Need(("publish_policy",), None)}

    @described(
        "never_touch_remove",
        "Take a target off the list; it is kept to for a day more",
        body=PolicyReason,
        answer=ProtectedView,
        is_write=True,
    )
    def post(self, request: Request, pk: UUID) -> Response:
        reason = read(PolicyReason, request).reason
        return answer(queries.protected_view(operations.remove(pk, caller=caller_of(request), reason=reason)))
