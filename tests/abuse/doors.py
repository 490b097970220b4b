"""The doors by which a decision could come in, and what a refusal at any of them has to leave behind."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.test import Client
from django.urls import reverse

from playbooks import executor
from playbooks.audit import reading
from playbooks.domain.statuses import Verdict
from playbooks.domain.verbs import Verb
from playbooks.models import ApprovalRequest, Attempt, Principal, Run
from playbooks.operations import approvals
from playbooks.operations.caller import Caller
from playbooks.operations.refusals import Missing, Refused
from tests.api.callers import Api, session, token_of

REFUSALS = frozenset({400, 401, 403, 404, 409, 422})
RULE = re.compile(r'<code class="rule">([a-z_]+)</code>')


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` as HTTP says it; `rule` is empty where existence is secret."""

    status: int
    rule: str


@dataclass(frozen=True, slots=True)
class Door:
    name: str
    decide: Callable[[Principal, ApprovalRequest, dict[str, str]], Answer]


def _form(person: Principal, request: ApprovalRequest, vote: dict[str, str]) -> Answer:
    browser = Client()
    browser.force_login(person)
    answer = browser.post(reverse("decide", args=[request.pk]), vote)
    found = RULE.search(html.unescape(answer.content.decode()))
    return Answer(answer.status_code, found[1] if found else "")


def _api(person: Principal, request: ApprovalRequest, vote: dict[str, str]) -> Answer:
    return _posted(session(person), request, vote)


def _operation(person: Principal, request: ApprovalRequest, vote: dict[str, str]) -> Answer:
    """What a management command, a Celery task or any code of ours would call."""
    try:
        approvals.decide(
            request.pk,
            caller=Caller(person, session=f"session of {person.username}"),
            verdict=Verdict(vote["verdict"]),
            shown_digest=vote["digest"],
            comment=vote["comment"],
        )
    except Missing:
        return Answer(404, "")
    except Refused as refusal:
        return Answer(403, refusal.rule)
    return Answer(200, "")


def _token(person: Principal, request: ApprovalRequest, vote: dict[str, str]) -> Answer:
    scopes = ("read", "ingest", "runs", "cases", "author")
    return _posted(token_of(person, *scopes), request, vote)


def _posted(api: Api, request: ApprovalRequest, vote: dict[str, str]) -> Answer:
    answer = api.post(f"approvals/{request.pk}/decide/", vote)
    return Answer(answer.status_code, answer.json().get("rule", ""))


FORM, API, OPERATION, TOKEN = (
    Door("form", _form),
    Door("API", _api),
    Door("operation", _operation),
    Door("token", _token),
)
DOORS = (FORM, API, OPERATION)


def decide(
    door: Door, person: Principal, request: ApprovalRequest, verdict: str = "approve", digest: str = ""
) -> Answer:
    """One person's verdict by one door, on the digest that the request has, unless another one is given."""
    reason = "It is our own scanner." if verdict == "deny" else ""
    return door.decide(
        person, request, {"verdict": verdict, "digest": digest or request.digest, "comment": reason}
    )


def refused(
    door: Door, person: Principal, request: ApprovalRequest, rule: str, verdict: str = "approve"
) -> None:
    """The person cannot decide: the door says no, nothing has changed, and the log names the rule, which need not be
    the only one.
    """
    before, last = standing(request.run), _last_entry()
    answer = decide(door, person, request, verdict)
    assert answer.status in REFUSALS, answer
    assert standing(request.run) == before
    assert {rule, answer.rule} - {""} <= rules_logged(after=last)


def standing(run: Run) -> dict[str, Any]:
    """All of a run that a decision could change."""
    run = Run.objects.get(pk=run.pk)
    return {
        "run": run.status,
        "steps": sorted(run.steps.values_list("round", "key", "status")),
        "requests": sorted(run.requests.values_list("pk", "status", "digest")),
        "decisions": run.requests.values_list("decisions").count(),
        "seats": sorted(map(str, run.requests.values_list("seats__role", "seats__filled_by"))),
        "attempts": Attempt.objects.filter(step__run=run).count(),
    }


def rules_logged(*, after: int = 0) -> set[str]:
    """The rules that refusals in the log name: the first of each, and the others beside it."""
    rules: set[str] = set()
    for verb in (Verb.DECISION_REFUSED, Verb.ACTION_REFUSED):
        for entry in reading.entries(verb=verb).filter(pk__gt=after):
            body = reading.body_of(entry.pk)
            assert body is not None
            assert body.outcome == "refused"
            rules |= {body.facts["rule"], *(each["rule"] for each in body.facts["denials"])}
    return rules


def facts_of(verb: Verb) -> dict[str, Any]:
    """What the latest entry with this verb says."""
    entry = reading.entries(verb=verb).order_by("-pk").first()
    assert entry is not None, f"No entry says {verb}."
    body = reading.body_of(entry.pk)
    assert body is not None
    return dict(body.facts)


def drive(run: Run) -> Run:
    executor.drive(run.pk, worker="test")
    run.refresh_from_db()
    return run


def sent(run: Run) -> list[dict[str, Any]]:
    """The parameters of what really changed or would change something, in order."""
    rows = Attempt.objects.filter(step__run=run).exclude(step__effect="read")
    return list(rows.order_by("started_at", "pk").values_list("parameters", flat=True))


def _last_entry() -> int:
    last = reading.entries().order_by("-pk").first()
    return last.pk if last else 0
