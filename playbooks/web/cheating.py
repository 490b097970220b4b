"""The demo's page "Try to cheat": four attempts, each really made as the person it names, and each refused.

Nothing here is staged: the same operations are called as by any form, and the refusals are entries of the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from playbooks import access
from playbooks.domain.statuses import RequestStatus, Verdict
from playbooks.domain.verbs import Verb
from playbooks.models import ApprovalRequest, Connection, Principal
from playbooks.operations import approvals, connections, runs
from playbooks.operations.caller import Caller, address_of
from playbooks.operations.refusals import Refused
from playbooks.operations.requests import stored_subject
from playbooks.queries.audit import latest_about
from playbooks.web.callers import person_of
from playbooks.web.demo import demo_only

PLAYBOOK = "block-attacker"
ADDRESS = "198.51.100.78"  # of a range for documentation (RFC 5737)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What came of an attempt, and its entry in the log."""

    rule: str
    sentence: str
    entry: int | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """`make` raises Refused; if it ever returns, the product has a hole, and the page says so."""

    name: str
    title: str
    description: str
    label: str
    make: Callable[[ApprovalRequest, str | None], None]


class NothingOpenError(Exception):
    """There is no open request to cheat with (yet)."""


@require_http_methods(["GET", "HEAD", "POST"])
@demo_only
@login_required
def cheat(request: HttpRequest) -> HttpResponse:
    tried = request.POST.get("attempt", "") if request.method == "POST" else ""
    may_see_audit = access.may(person_of(request), "see_audit")
    context: dict[str, object] = {
        "attempts": ATTEMPTS.values(),
        "tried": tried,
        "may_see_audit": may_see_audit,
    }
    if tried in ATTEMPTS:
        try:
            context["result"] = _try(ATTEMPTS[tried], address_of(request.META))
        except NothingOpenError as error:
            context["problem"] = str(error)
    return render(request, "cheat.html", context)


def _try(attempt: Attempt, address: str | None) -> Refusal | None:
    about = _request_to_cheat_with(address)
    try:
        attempt.make(about, address)
    except Refused as refusal:
        entry = latest_about(str(about.pk), Verb.DECISION_REFUSED)
        return Refusal(refusal.rule, refusal.denials[0].sentence, entry)
    return None


def _request_to_cheat_with(address: str | None) -> ApprovalRequest:
    """An open request that the analyst asked for. Where there is none, a run is started that will ask."""
    own = _open().exclude(decisions__person__username="netowner").order_by("-opened_at").first()
    if own is not None:
        return own
    runs.start(PLAYBOOK, caller=_caller("analyst", address), inputs={"address": ADDRESS})
    raise NothingOpenError(
        "No request of the analyst was open, so a run was started as the analyst. It reaches its gate in a moment: "
        "press the button again."
    )


def _own_request(about: ApprovalRequest, address: str | None) -> None:
    _approve(about, "analyst", about.digest, address)


def _superuser(about: ApprovalRequest, address: str | None) -> None:
    _approve(about, "admin", about.digest, address)


def _changed_parameter(about: ApprovalRequest, address: str | None) -> None:
    """The network owner signs what they were shown, after the administrator has changed where it would go."""
    if not about.decisions.filter(person__username="tier2").exists():
        _approve(about, "tier2", about.digest, address)
    name = stored_subject(about)["covered"][0]["connection"]["name"]
    row = Connection.objects.get(name=name)
    connections.configure(
        name,
        caller=_caller("admin", address),
        connector=row.connector,
        settings=row.settings,
        secrets={},
        environment=row.environment,
        is_simulated=row.is_simulated,
    )
    _approve(about, "netowner", about.digest, address)


def _replay(about: ApprovalRequest, address: str | None) -> None:
    """The same approval twice; the second is the replay."""
    if not about.decisions.filter(person__username="tier2").exists():
        _approve(about, "tier2", about.digest, address)
    _approve(about, "tier2", about.digest, address)


ATTEMPTS: Mapping[str, Attempt] = {
    each.name: each
    for each in (
        Attempt(
            "own",
            "Approve your own request",
            "The analyst asked for a run, and now approves it too.",
            "Approve as analyst",
            _own_request,
        ),
        Attempt(
            "superuser",
            "Approve as superuser",
            "The administrator may configure everything, and holds no approving role.",
            "Approve as admin",
            _superuser,
        ),
        Attempt(
            "changed",
            "Change what runs after an approval",
            "Tier 2 approves, then the administrator reconfigures the connection that the action goes through, then "
            "the network owner signs what they were shown before.",
            "Change it, then approve as netowner",
            _changed_parameter,
        ),
        Attempt(
            "replay",
            "Replay an approval",
            "Tier 2 approves, and the very same approval is sent once more.",
            "Approve twice as tier2",
            _replay,
        ),
    )
}


def _approve(about: ApprovalRequest, username: str, digest: str, address: str | None) -> None:
    caller = _caller(username, address)
    approvals.decide(about.pk, caller=caller, verdict=Verdict.APPROVE, shown_digest=digest)


def _caller(username: str, address: str | None) -> Caller:
    return Caller(Principal.objects.get(username=username), None, address)


def _open() -> QuerySet[ApprovalRequest]:
    of_analyst = ApprovalRequest.objects.filter(
        run__requested_by__username="analyst", status=RequestStatus.OPEN
    )
    return of_analyst.filter(run__version__playbook__slug=PLAYBOOK)
