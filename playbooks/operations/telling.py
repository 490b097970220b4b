"""What is told of requests, questions, runs, actions and changes for a time: to whom, in which words, with which page.

What came from outside or from a playbook is one line that can do nothing (domain/plain_text.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from playbooks import access
from playbooks.access.delegations import in_force
from playbooks.access.facts import could_decide, seats_of
from playbooks.access.glass import REVIEW, facts_to_review, holders
from playbooks.access.seats import meant_by
from playbooks.domain.break_glass import review_denials, review_due_at
from playbooks.domain.notices import NoticeKind
from playbooks.domain.plain_text import one_line
from playbooks.domain.policies.judging import Matched
from playbooks.models import ApprovalRequest, Attempt, BreakGlass, Expiry, Principal, Question, Run, Step
from playbooks.operations.notices import Telling, reachable

TITLE = 160


def request_opened(request: ApprovalRequest) -> list[Telling]:
    return [_to_decide(request, NoticeKind.REQUEST_OPENED, "Approval asked")]


def request_due(request: ApprovalRequest) -> list[Telling]:
    """Those who have still to decide, before it is late."""
    again = request.due_at.isoformat() if request.due_at else ""
    return [_to_decide(request, NoticeKind.REQUEST_DUE, "Soon late", again=again)]


def request_escalated(request: ApprovalRequest) -> list[Telling]:
    """Those who have still to decide, with those to whom it goes on."""
    again = request.escalated_at.isoformat() if request.escalated_at else ""
    return [_to_decide(request, NoticeKind.REQUEST_ESCALATED, "Late", again=again)]


def request_closed(request: ApprovalRequest, kind: NoticeKind, sentence: str = "") -> list[Telling]:
    """For those who asked; when it is void, for those who decided as well."""
    people = {UUID(each) for each in request.requesters}
    if kind is NoticeKind.REQUEST_VOIDED:
        people |= set(request.decisions.values_list("person", flat=True))
    heads = {
        NoticeKind.REQUEST_GRANTED: "Approved",
        NoticeKind.REQUEST_DENIED: "Not approved",
        NoticeKind.REQUEST_VOIDED: "Asked again, since it has changed",
    }
    return [
        Telling(
            kind,
            ("request", str(request.pk)),
            _title(heads[kind], request.question),
            _lines(_of_run(request.run), one_line(sentence)),
            request_path(request.pk),
            people=frozenset(people),
            roles=_roles(request),
        )
    ]


def glass_broken(glass: BreakGlass, request: ApprovalRequest) -> list[Telling]:
    """Everybody concerned, at once: who asked, decided, or would have decided; and those who could review it."""
    asked, decided = set(request.requesters), request.decisions.values_list("person", flat=True)
    reviewers = [each.pk for each in holders(REVIEW) if not review_denials(facts_to_review(each, glass))]
    concerned = {
        *(UUID(each) for each in asked),
        *decided,
        *reviewers,
        *(each.pk for each in _fitting(request)),
    }
    why = f"{one_line(glass.person_name)} ran past its gate: {one_line(glass.reason)}"
    due_at = review_due_at(glass.broken_at, request.run.case.closed_at)
    due = _of_glass(NoticeKind.REVIEW_DUE, "Review due", request, [why, _until(due_at)], reviewers)
    return [
        _of_glass(NoticeKind.GLASS_BROKEN, "Break-glass", request, [why], concerned - {glass.person_id}),
        replace(due, path=review_path(glass.pk)),
    ]


def question_opened(question: Question) -> list[Telling]:
    people = reachable().filter(memberships__group__name=question.role)
    return [
        Telling(
            NoticeKind.QUESTION_OPENED,
            ("question", str(question.pk)),
            _title("A run asks", question.text),
            _lines(_of_run(question.run), _until(question.due_at)),
            f"/questions/{question.pk}/",
            people=frozenset(people.values_list("pk", flat=True)),
            roles=frozenset({question.role}),
        )
    ]


def run_ended(run: Run, sentence: str = "") -> list[Telling]:
    words = run.status.replace("_", " ")
    again = f"{run.status}-{run.rollbacks}"
    return _of_run_itself(run, NoticeKind.RUN_ENDED, f"Run {words}", [one_line(sentence)], again=again)


def run_stuck(run: Run, step: Step) -> list[Telling]:
    more = [
        f"Nobody knows whether the step {step.key} happened: look at its target, and say on the page what you found."
    ]
    return _of_run_itself(
        run,
        NoticeKind.RUN_STUCK,
        "A step is unknown",
        more,
        again=f"{step.pk}-{step.attempt_count}",
        also=_owner_of(step),
    )


def action_begun(run: Run, step: Step, attempt: Attempt, policies: Sequence[Matched]) -> list[Telling]:
    """For those whom policies name, of whoever may see the run: once for each step and policy, however often the step
    is tried and whichever versions of the policy are asked.
    """
    head = "Taken back" if step.undoes_id else "Begins"
    what = f"{step.action} on {one_line(attempt.target)}"
    simulated = "It is simulated, and changes nothing." if attempt.is_simulated else ""
    return [
        Telling(
            NoticeKind.ACTION_BEGUN,
            ("run", str(run.pk)),
            _title(head, what),
            _lines(one_line(each.title), one_line(each.says), _of_run(run), simulated),
            run_path(run.pk),
            people=_meant(run, each.tells),
            roles=frozenset(each.tells),
            again=f"{step.pk}-{each.slug}",
        )
        for each in policies
    ]


def expiry_failed(expiry: Expiry, run: Run, sentence: str) -> list[Telling]:
    """The first time that it could not be taken back; the page has how often it was tried since."""
    more = [
        f"What the step {expiry.step.key} did was for a time only, and could not be taken back.",
        one_line(sentence),
        "It is tried again.",
    ]
    return _of_run_itself(
        run,
        NoticeKind.EXPIRY_FAILED,
        "Not taken back",
        more,
        again=str(expiry.pk),
        also=_owner_of(expiry.step),
    )


def request_path(request: UUID) -> str:
    return f"/approvals/{request}/"


def review_path(glass: UUID) -> str:
    return f"/reviews/{glass}/"


def run_path(run: UUID) -> str:
    return f"/runs/{run}/"


def _of_glass(
    kind: NoticeKind, head: str, request: ApprovalRequest, more: Iterable[str], people: Iterable[UUID]
) -> Telling:
    return Telling(
        kind,
        ("request", str(request.pk)),
        _title(head, request.question),
        _lines(_of_run(request.run), *more),
        request_path(request.pk),
        people=frozenset(people),
        roles=None,
    )


def _deciders(request: ApprovalRequest) -> frozenset[UUID]:
    """Those who could be told and whom no rule forbids to decide, by the facts of now."""
    return could_decide(request, _fitting(request))


def _fitting(request: ApprovalRequest) -> list[Principal]:
    """Those who could be told and who fit a seat, whatever the rules say of them."""
    seats = seats_of([request], timezone.now())[request.pk]
    all_seats = [*seats, *(other for seat in seats for other in seat.also)]
    meant = {UUID(person) for seat in all_seats for person in seat.people or ()}
    is_meant = Q(pk__in=meant) | Q(substitutions__person__in=meant)
    by_role = Q(memberships__group__name__in=[seat.role for seat in all_seats if seat.people is None])
    return list(reachable().filter(is_meant | by_role).distinct())


def _meant(run: Run, names: Sequence[str]) -> frozenset[UUID]:
    """Who is meant by the names of seats, and who stands in for them now, of those who may see the run."""
    now = timezone.now()
    meant = meant_by(names, now)
    seats = [meant.seat(name) for name in names]
    own = {UUID(person) for seat in seats for person in seat.people or ()}
    standing_in = in_force(now).filter(person__in=own).values("substitute")
    by_role = Q(memberships__group__name__in=[seat.role for seat in seats if seat.people is None])
    found = reachable().filter(Q(pk__in=own) | Q(pk__in=standing_in) | by_role).distinct()
    return frozenset(each.pk for each in found if access.may(each, "see_run", run))


def _to_decide(request: ApprovalRequest, kind: NoticeKind, head: str, *, again: str = "") -> Telling:
    return Telling(
        kind,
        ("request", str(request.pk)),
        _title(head, request.question),
        _lines(_of_run(request.run), _until(request.due_at)),
        request_path(request.pk),
        people=_deciders(request),
        roles=_roles(request),
        again=again,
    )


def _of_run_itself(
    run: Run,
    kind: NoticeKind,
    head: str,
    more: Iterable[str],
    *,
    again: str,
    also: UUID | None = None,
) -> list[Telling]:
    """For whoever asked for it, and for one more."""
    people = frozenset(each for each in (run.requested_by_id, also) if each is not None)
    return [
        Telling(
            kind,
            ("run", str(run.pk)),
            _title(head, str(run)),
            _lines(*more),
            run_path(run.pk),
            people=people,
            roles=None,
            again=again,
        )
    ]


def _owner_of(step: Step) -> UUID | None:
    """Who owns the connection that the step uses."""
    return step.connection.owner_id if step.connection else None


def _roles(request: ApprovalRequest) -> frozenset[str]:
    """Whose shared channels it concerns: the roles of its seats, and those to whom it has gone on."""
    others = request.alternatives.values_list("role", flat=True)
    return frozenset({*(seat.role for seat in request.seats.all()), *others})


def _title(head: str, subject: str) -> str:
    return f"{head}: {one_line(subject, most=TITLE)}"


def _of_run(run: Run) -> str:
    return f"Run: {one_line(str(run))}"


def _until(moment: datetime | None) -> str:
    return f"Until: {moment:%Y-%m-%d %H:%M} UTC" if moment else "Without a deadline."


def _lines(*lines: str) -> str:
    return "\n".join(line for line in lines if line)
