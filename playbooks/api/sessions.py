"""Where one is signed in, and the API tokens by which programs call. No token can list or end a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from pydantic import StrictInt, StringConstraints
from rest_framework.request import Request
from rest_framework.response import Response

from playbooks.access.sessions import handle_of
from playbooks.api.answers import answer, plains
from playbooks.api.authentication import caller_of, principal_of
from playbooks.api.endpoint import Endpoint, described, described_list, found
from playbooks.api.pagination import Listing, page
from playbooks.api.permissions import Need
from playbooks.api.stepping_up import Proving, read_proven
from playbooks.models import Principal
from playbooks.operations import sessions as operations
from playbooks.operations import tokens as token_operations
from playbooks.operations.people import DEFAULT_DAYS
from playbooks.queries import keys as queries
from playbooks.queries.keys import SessionView
from playbooks.queries.people import TokenView, token_view

SESSIONS = Listing(("-last_seen_at", "handle"), {"person": "principal__username"})
IN_A_SESSION = Need((), None)


class IssueToken(Proving):
    """`owner` is the username of a service account that one answers for; left out, the token is one's own."""

    scopes: list[str]
    days: StrictInt = DEFAULT_DAYS
    owner: Annotated[str, StringConstraints(max_length=64)] = ""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """`text` is told only here."""

    token: TokenView
    text: str


def issue(request: Request) -> Response:
    body = read_proven(IssueToken, request)
    owner = None
    if body.owner:
        owner = found(Principal.objects.filter(username=body.owner).first(), "account", body.owner)
    row, text = token_operations.issue(caller_of(request), scopes=body.scopes, days=body.days, owner=owner)
    return answer(IssuedToken(token_view(row), text), status=201)


class Token(Endpoint):
    needs = {"DELETE": IN_A_SESSION}

    @described("tokens_revoke", "Take a token out of force", answer=TokenView, is_write=True)
    def delete(self, request: Request, pk: UUID) -> Response:
        return answer(token_view(token_operations.revoke(pk, caller=caller_of(request))))


class Sessions(Endpoint):
    needs = {"GET": IN_A_SESSION}

    @described_list(
        "sessions_list", "One's own sessions; all for who manages people", row=SessionView, listing=SESSIONS
    )
    def get(self, request: Request) -> Response:
        key = request.session.session_key
        return page(
            queries.sessions(principal_of(request)),
            request,
            self,
            listing=SESSIONS,
            show=lambda rows: plains(
                [queries.session_view(row, current=handle_of(key) if key else None) for row in rows]
            ),
        )


class Session(Endpoint):
    needs = {"DELETE": IN_A_SESSION}

    @described(
        "sessions_end", "End a session: its browser has to sign in again", answer=SessionView, is_write=True
    )
    def delete(self, request: Request, handle: UUID) -> Response:
        ended = operations.end(handle, caller=caller_of(request))
        return answer(queries.session_view(ended, current=None))
