"""Step-up: a challenge for the person at this session, and the proof that answers it. No token may do either."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from pydantic import StringConstraints, model_validator
from rest_framework.request import Request
from rest_framework.response import Response

from playbooks.access import factors
from playbooks.api.answers import answer
from playbooks.api.authentication import caller_of
from playbooks.api.endpoint import Endpoint, described
from playbooks.api.parsing import Body, read
from playbooks.api.permissions import Need
from playbooks.domain.statuses import Verdict
from playbooks.domain.stepup import UNBOUND, Method, Purpose, missing
from playbooks.domain.stepup import Need as Taken
from playbooks.models import Case, StepUp
from playbooks.operations import stepup
from playbooks.operations.refusals import Refused

Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
# Whoever may do none of these may do nothing that takes a proof.
SIGNED_IN = Need(
    ("see_request", "see_people", "manage_people", "manage_connection", "work_case", "break_glass"),
    None,
    on=Case,
)


class Begin(Body):
    """`digest` and `verdict` are those of the decision; what is about no one thing has neither."""

    purpose: Purpose
    digest: Digest = UNBOUND
    verdict: Verdict | None = None


class Proof(Body):
    """The assertion of a passkey (`PublicKeyCredential.toJSON`), or a password together with a code."""

    assertion: dict[str, Any] | None = None
    password: Annotated[str, StringConstraints(max_length=4096)] = ""
    code: Annotated[str, StringConstraints(max_length=12)] = ""

    @model_validator(mode="after")
    def _is_one(self) -> Proof:
        if (self.assertion is None) == (not self.password and not self.code):
            raise ValueError("Give an assertion, or a password and a code.")
        return self


class StepUpProof(Proof):
    """The answer to the challenge `id`, which was begun for this: a decision's with its digest and its verdict."""

    id: UUID


class Proving(Body):
    """What takes a proof of the last five minutes: given before (`step-up/`), or here."""

    step_up: StepUpProof | None = None


Asked = TypeVar("Asked", bound=Proving)


@dataclass(frozen=True, slots=True)
class Challenge:
    """`public_key` is for `navigator.credentials.get`, empty for whoever has no passkey."""

    id: UUID
    purpose: str
    expires_at: datetime
    methods: tuple[str, ...]
    public_key: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Proven:
    id: UUID
    purpose: str
    method: str
    proven_at: datetime | None


class Challenges(Endpoint):
    needs = {"POST": SIGNED_IN}

    @described("step_up_begin", "Begin to prove who you are", body=Begin, answer=Challenge, status=201)
    def post(self, request: Request) -> Response:
        body = read(Begin, request)
        need = Taken(body.purpose, body.digest, body.verdict.value if body.verdict else "")
        caller = caller_of(request)
        methods = factors.paths_of(caller.principal)
        if not methods:
            raise Refused(missing(need, methods))
        row = stepup.begin(need, caller=caller)
        return answer(_challenge(row, methods, _origin(request)), status=201)


class Proofs(Endpoint):
    needs = {"POST": SIGNED_IN}

    @described("step_up_prove", "Prove who you are", body=Proof, answer=Proven, is_write=True)
    def post(self, request: Request, pk: UUID) -> Response:
        row = take(request, pk, read(Proof, request))
        return answer(Proven(row.pk, row.purpose, row.method, row.proven_at))


def take(request: Request, row: UUID, proof: Proof) -> StepUp:
    """Takes a proof that came in a body. Raises Refused, Missing."""
    caller = caller_of(request)
    if proof.assertion is not None:
        return stepup.prove_by_passkey(row, caller=caller, origin=_origin(request), assertion=proof.assertion)
    return stepup.prove_by_code(row, caller=caller, password=proof.password, code=proof.code)


def take_once(request: Request, proof: StepUpProof | None) -> None:
    """Takes the proof that came with a body, unless the same call has brought it before. Raises Refused, Missing."""
    if proof is not None and not stepup.is_answered(proof.id, caller=caller_of(request)):
        take(request, proof.id, proof)


def read_proven(shape: type[Asked], request: Request) -> Asked:
    """The body, with the proof taken that came in it. Raises Invalid, Refused, Missing."""
    body = read(shape, request)
    take_once(request, body.step_up)
    return body


def _challenge(row: StepUp, methods: tuple[Method, ...], origin: str) -> Challenge:
    asked = stepup.options(row, origin=origin)["publicKey"] if Method.PASSKEY in methods else {}
    return Challenge(row.pk, row.purpose, row.expires_at, tuple(each.value for each in methods), asked)


def _origin(request: Request) -> str:
    return f"{request.scheme}://{request.get_host()}"
