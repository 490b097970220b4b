"""Whether the installation is ready, and the description of this API."""

from __future__ import annotations

from dataclasses import dataclass

from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularJSONAPIView
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from playbooks.api.answers import answer
from playbooks.api.endpoint import Endpoint, OneRepresentation
from playbooks.api.permissions import Entitled, Need
from playbooks.models import Principal
from playbooks.queries import health as queries


@dataclass(frozen=True, slots=True)
class Ready:
    """`checks` are shown to whoever is signed in."""

    ok: bool
    checks: tuple[queries.Check, ...] = ()


class Health(Endpoint):
    """Anonymous: a load balancer asks it. What is wrong is said to principals only."""

    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="health", summary="Live and ready, or why not", responses={200: Ready, 503: Ready}
    )
    def get(self, request: Request) -> Response:
        health = queries.health()
        checks = health.checks if isinstance(request.user, Principal) else ()
        return answer(Ready(health.ok, checks), status=200 if health.ok else 503)


class Schema(SpectacularJSONAPIView):
    """OpenAPI 3.1, generated from the code. It holds no data, so every principal may read it."""

    needs = {"GET": Need((), "")}
    permission_classes = (Entitled,)
    renderer_classes = [JSONRenderer]
    content_negotiation_class = OneRepresentation
    metadata_class = None


class Nowhere(Endpoint):
    """Every other address: the same answer for everybody."""

    permission_classes = (AllowAny,)

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:  # noqa: ARG002 — the framework's signature
        raise NotFound("There is nothing at this address. Addresses end with a slash.")

    post = put = patch = delete = get
