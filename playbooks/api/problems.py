"""Every error as a problem (RFC 9457, application/problem+json): a sentence, and never a stack trace."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.signals import got_request_exception
from django.db import IntegrityError, OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from playbooks.api.authentication import caller_of
from playbooks.audit.bundle import ExportError
from playbooks.domain.problems import Problem, Unreadable
from playbooks.models import Principal
from playbooks.operations import sessions
from playbooks.operations.refusals import CONFLICTS, Hidden, Invalid, LostRace, Missing, Refused, Unsound

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
STATUS_OF_RULE: Mapping[str, HTTPStatus] = {
    **dict.fromkeys(CONFLICTS, HTTPStatus.CONFLICT),
    "idempotency_key_reused": HTTPStatus.UNPROCESSABLE_ENTITY,
    "not_stepped_up": HTTPStatus.UNAUTHORIZED,
}
RETRY_AFTER = "2"  # seconds


class TooLarge(exceptions.APIException):
    """The body is larger than it may be; the sentence names the limit."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def handle(error: Exception, context: Mapping[str, Any]) -> Response:
    """The framework's exception handler: whatever went wrong becomes a problem."""
    request: Request = context["request"]
    if isinstance(error, Refused) and isinstance(request.user, Principal):
        sessions.refuse_call(caller_of(request), error, call=f"{request.method} {request.path}")
    for kinds, say in _KNOWN:
        if isinstance(error, kinds):
            return say(error)
    return _defect(error, context)


def problem(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: object
) -> Response:
    """`more` are extension members (RFC 9457, 3.2)."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        **more,
    }
    return Response(body, status=int(status), headers=dict(headers or {}), content_type=MEDIA_TYPE)


def _placed(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    return [
        {"pointer": "", "detail": each.message, "line": each.line, "column": each.column} for each in problems
    ]


def _invalid(error: Invalid) -> Response:
    errors = [{"pointer": pointer, "detail": sentence} for pointer, sentence in error.errors]
    return problem(HTTPStatus.BAD_REQUEST, str(error), errors=errors)


def _unreadable(error: Unreadable) -> Response:
    return problem(HTTPStatus.BAD_REQUEST, str(error), errors=_placed(error.problems))


def _unsound(error: Unsound) -> Response:
    """A playbook with its problems, in the form of `playbooks/check/` too."""
    problems = [
        {"line": each.line, "column": each.column, "message": each.message} for each in error.problems
    ]
    errors = _placed(error.problems)
    return problem(HTTPStatus.BAD_REQUEST, str(error), errors=errors, problems=problems)


def _refused(refusal: Refused) -> Response:
    status = STATUS_OF_RULE.get(refusal.rule, HTTPStatus.FORBIDDEN)
    denials = [{"rule": each.rule, "sentence": each.sentence} for each in refusal.denials]
    return problem(status, str(refusal), rule=refusal.rule, denials=denials)


def _framework(error: exceptions.APIException) -> Response:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    return problem(error.status_code, str(error.detail), headers=headers)


def _defect(error: Exception, context: Mapping[str, Any]) -> Response:
    """Logs what broke and where, never with what: messages and frames may hold secrets."""
    request: Request = context["request"]
    got_request_exception.send(sender=handle, request=request)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"
    logger.error("defect in %s %s: %s at %s", request.method, request.path, type(error).__name__, place)
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "The server broke off. Its log names the place; tell the administrator.",
    )


def _always(status: HTTPStatus, detail: str, **headers: str) -> Callable[[Any], Response]:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _error: problem(status, detail, headers=names)


def _later(error: ExportError) -> Response:
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers={"Retry-After": RETRY_AFTER})


def _sentence(status: HTTPStatus) -> Callable[[Any], Response]:
    return lambda error: problem(status, str(error))


_KNOWN: Sequence[tuple[type[Exception] | tuple[type[Exception], ...], Callable[[Any], Response]]] = (
    (Hidden, _sentence(HTTPStatus.NOT_FOUND)),
    (Refused, _refused),
    (Invalid, _invalid),
    (Unreadable, _unreadable),
    (Unsound, _unsound),
    (Missing, _sentence(HTTPStatus.NOT_FOUND)),
    (
        (LostRace, IntegrityError),
        _always(HTTPStatus.CONFLICT, "Somebody else changed this at the same moment. Read it again."),
    ),
    (
        OperationalError,
        _always(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The database is busy or cannot be reached. Nothing was changed; try again in a moment.",
            Retry_After=RETRY_AFTER,
        ),
    ),
    (ExportError, _later),
    (exceptions.APIException, _framework),
    (Http404, _always(HTTPStatus.NOT_FOUND, "There is nothing at this address. Addresses end with a slash.")),
    (PermissionDenied, _always(HTTPStatus.FORBIDDEN, "You may not do this.")),
    (RequestDataTooBig, _always(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "A request has at most 10 MiB.")),
    (SuspiciousOperation, _always(HTTPStatus.BAD_REQUEST, "This request cannot be understood.")),
)
