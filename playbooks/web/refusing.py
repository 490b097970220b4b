"""How a refusal becomes a page: the same page again, with its sentence, in the status that says what happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse

from playbooks.domain.duties import Denial
from playbooks.domain.stepup import RULE
from playbooks.models import Principal
from playbooks.operations import sessions
from playbooks.operations.refusals import CONFLICTS, Hidden, Invalid, LostRace, Refused
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


class RecordHidden:
    """Records what somebody tried with an object of which they may not know; the page says that there is none."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """A view turns the refusal into Django's Http404; its cause says why."""
        cause = exception.__cause__
        if isinstance(cause, Hidden) and isinstance(request.user, Principal):
            sessions.refuse_call(caller_of(request), cause, call=f"{request.method} {request.path}")
