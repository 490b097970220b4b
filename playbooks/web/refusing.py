"""How a refusal becomes a page: the same page again, with its sentence, in the status that says what happened."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from django.http import HttpRequest

from playbooks.domain.duties import Denial
from playbooks.domain.stepup import RULE
from playbooks.operations import sessions
from playbooks.operations.refusals import CONFLICTS, Invalid, LostRace, Refused
from playbooks.web.callers import caller_of

NoAnswer = Refused | Invalid | LostRace


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a page shows: all the rules that forbid it, or one sentence without a rule."""

    status: HTTPStatus
    denials: tuple[Denial, ...]


def refusal_of(request: HttpRequest, error: NoAnswer) -> Refusal:
    """What the page says of `error`. The refusal is recorded here, where its operation has not done so itself."""
    if isinstance(error, Refused):
        sessions.refuse_call(caller_of(request), error, call=f"{request.method} {request.path}")
    match error:
        case Refused():
            return Refusal(_status(error.rule), error.denials)
        case Invalid():
            return Refusal(
                HTTPStatus.BAD_REQUEST, tuple(Denial("", sentence) for _, sentence in error.errors)
            )
        case LostRace():
            sentence = "Somebody else changed this at the same moment. This is what it is now; try again."
            return Refusal(HTTPStatus.CONFLICT, (Denial("", sentence),))


def _status(rule: str) -> HTTPStatus:
    if rule == RULE:
        return HTTPStatus.UNAUTHORIZED
    return HTTPStatus.CONFLICT if rule in CONFLICTS else HTTPStatus.FORBIDDEN
