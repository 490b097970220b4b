"""How a refusal becomes a page: the same page again, with its sentence, in the status that says what happened."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from playbooks.domain.duties import Denial
from playbooks.operations.refusals import CONFLICTS, Invalid, LostRace, Refused

NoAnswer = Refused | Invalid | LostRace


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a page shows: all the rules that forbid it, or one sentence without a rule."""

    status: HTTPStatus
    denials: tuple[Denial, ...]


def refusal_of(error: NoAnswer) -> Refusal:
    match error:
        case Refused():
            status = HTTPStatus.CONFLICT if error.rule in CONFLICTS else HTTPStatus.FORBIDDEN
            return Refusal(status, error.denials)
        case Invalid():
            return Refusal(
                HTTPStatus.BAD_REQUEST, tuple(Denial("", sentence) for _, sentence in error.errors)
            )
        case LostRace():
            sentence = "Somebody else changed this at the same moment. This is what it is now; try again."
            return Refusal(HTTPStatus.CONFLICT, (Denial("", sentence),))
