"""Break-glass (abuse cases 47 to 52): exactly one gate, for its time, with a proof, and a review that comes."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
import time_machine
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from playbooks import executor, operations
from playbooks.audit.sequencer import sequence_once
from playbooks.audit.signing import load_signer
from playbooks.domain.entries import parse_body
from playbooks.domain.replay import ContradictionError, Replay
from playbooks.domain.statuses import RequestStatus, RunStatus, StepStatus, WaitReason
from playbooks.domain.stepup import Purpose, need_of
from playbooks.models import ApprovalRequest, BreakGlass, Finding, Principal, Run
from playbooks.models.audit import AuditBody
from playbooks.models.break_glass import BreakGlassReview
from playbooks.operations import approvals, break_glass, cases, connections, people, reviews
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.refusals import Invalid, Missing, Refused
from tests.cast import Cast
from tests.executor.test_receipts import STEPS
from tests.executor.world import World
from tests.operations.test_decisions import bodies
from tests.proving import passkey_of, prove, prove_decision

Begin = Callable[..., Run]
HOURS = timedelta(hours=1)
CHANGE = STEPS.replace("fake.destroy", "fake.keyed")


def holder(cast: Cast, name: str = "netowner") -> Caller:
    """Somebody who holds the right, given by nobody of the cast."""
    people.grant(getattr(cast, name), "break-glass", actor=SYSTEM, granted_by=None)
    return cast.caller(name)


@pytest.fixture
def request_(begin: Begin) -> ApprovalRequest:
    """To wipe a disk, which tier 2 would have to approve."""
    run = begin(STEPS)
    executor.drive(run.pk, worker="test")
    return run.requests.get()


def use(request: ApprovalRequest, caller: Caller, *, proven: bool = True, **more: object) -> BreakGlass:
    if proven:
        prove(caller, need_of(Purpose.BREAK_GLASS, request.digest))
    about: dict[str, object] = {"shown_digest": request.digest, "reason": "It spreads.", **more}
    return break_glass.use(request.pk, caller=caller, **about)  # type: ignore[arg-type]


def rules(act: Callable[[], object]) -> list[str]:
    try:
        act()
    except Refused as refusal:
        return [each.rule for each in refusal.denials]
    return []


def stand_by(request: ApprovalRequest, caller: Caller) -> None:
    prove(caller, need_of(Purpose.SECOND, request.digest))


def drive(request: ApprovalRequest) -> Run:
    executor.drive(request.run_id, worker="test")
    return Run.objects.get(pk=request.run_id)


def replayed(run: Run) -> Replay:
    replay = Replay()
    rows = AuditBody.objects.filter(entry__stream__kind="run", entry__stream__key=str(run.pk))
    for row in rows.order_by("entry__stream_seq"):
        replay.feed(parse_body(bytes(row.body)))
    replay.finish()
    return replay


def test_a_holder_runs_past_the_gate_and_nothing_calls_it_approved(
    cast: Cast, request_: ApprovalRequest, world: World
) -> None:
    glass = use(request_, holder(cast))
    run = drive(request_)
    assert (run.status, dict(world.effects)) == (RunStatus.SUCCEEDED, {"disk": 1})
    request_.refresh_from_db()
    assert request_.status == RequestStatus.PASSED
    assert not request_.decisions.exists()
    assert run.steps.get(key="gate").outputs == {"approvers": []}
    (passed,) = bodies("request.passed")
    assert (passed["reason"], passed["by"]) == (
        "It spreads.",
        {"id": str(cast.netowner.pk), "name": "Netowner"},
    )
    assert not bodies("request.granted")
    told = replayed(run)
    assert (told.passed_actions, told.approved_actions, told.decisions) == (1, 0, 0)
    assert glass.until - glass.broken_at == timedelta(minutes=30)


def test_case_47_nobody_does_it_without_the_right_not_even_a_superuser_who_administers(
    cast: Cast, request_: ApprovalRequest
) -> None:
    people.grant(cast.admin, "publisher", actor=SYSTEM, granted_by=None)
    for name in ("admin", "tier2", "outsider", "compliance"):
        assert rules(lambda: use(request_, cast.caller(name))) == ["no_permission"]  # noqa: B023
    assert len(bodies("break_glass.refused")) == 4
    request_.refresh_from_db()
    assert request_.status == RequestStatus.OPEN


def test_case_47_nobody_does_it_without_a_proof_over_exactly_this(
    cast: Cast, request_: ApprovalRequest
) -> None:
    caller = holder(cast)
    assert rules(lambda: use(request_, caller, proven=False)) == ["not_stepped_up"]
    prove(caller, need_of(Purpose.BREAK_GLASS, "f" * 64))
    prove(caller, need_of(Purpose.SECOND, request_.digest))
    prove(caller, need_of(Purpose.GRANT))
    prove_decision(caller, request_)
    assert rules(lambda: use(request_, caller, proven=False)) == ["not_stepped_up"]


def test_case_47_no_token_does_it(cast: Cast, request_: ApprovalRequest) -> None:
    caller = holder(cast)
    people.issue_token(cast.netowner, actor=SYSTEM, scopes=["runs"])
    by_token = Caller(cast.netowner, cast.netowner.tokens.get())
    assert rules(lambda: use(request_, by_token, proven=False))[0] == "token_not_person"
    assert caller.token is None


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"reason": " "}, "no_reason"),
        ({"minutes": 61}, "too_long"),
        ({"minutes": 0}, "too_long"),
        ({"shown_digest": "0" * 64}, "stale_digest"),
    ],
)
def test_case_49_nothing_longer_wider_or_without_a_reason(
    cast: Cast, request_: ApprovalRequest, more: dict[str, object], rule: str
) -> None:
    assert rule in rules(lambda: use(request_, holder(cast), **more))
    request_.refresh_from_db()
    assert request_.status == RequestStatus.OPEN


def test_what_has_changed_since_is_asked_again(cast: Cast, request_: ApprovalRequest) -> None:
    caller = holder(cast)
    prove(caller, need_of(Purpose.BREAK_GLASS, request_.digest))
    connections.configure("fake", caller=cast.caller("admin"), connector="fake", settings={}, secrets={})
    assert rules(lambda: use(request_, caller, proven=False)) == ["stale_digest"]


def test_case_49_it_covers_one_digest_and_what_changes_after_it_is_not_covered(
    cast: Cast, request_: ApprovalRequest, world: World
) -> None:
    use(request_, holder(cast))
    connections.configure("fake", caller=cast.caller("admin"), connector="fake", settings={}, secrets={})
    run = drive(request_)
    assert not world.effects
    request_.refresh_from_db()
    assert request_.status == RequestStatus.VOIDED
    assert run.requests.get(status=RequestStatus.OPEN).digest != request_.digest


@pytest.mark.usefixtures("any_time")
@pytest.mark.parametrize(("after", "runs"), [(timedelta(minutes=29), True), (timedelta(minutes=30), False)])
def test_case_49_when_its_time_is_over_nothing_begins_under_it(
    cast: Cast, request_: ApprovalRequest, world: World, after: timedelta, runs: bool
) -> None:
    glass = use(request_, holder(cast))
    with time_machine.travel(glass.broken_at + after, tick=False):
        run = drive(request_)
    assert bool(world.effects) is runs
    assert run.requests.filter(status=RequestStatus.OPEN).exists() is not runs
    replayed(run)


def test_when_the_right_is_taken_nothing_begins_under_it(
    cast: Cast, request_: ApprovalRequest, world: World
) -> None:
    use(request_, holder(cast))
    people.revoke(cast.netowner, "break-glass", actor=SYSTEM)
    drive(request_)
    assert not world.effects


def test_a_gate_is_passed_once(cast: Cast, request_: ApprovalRequest) -> None:
    caller = holder(cast)
    use(request_, caller)
    assert rules(lambda: use(request_, caller)) == ["closed"]
    assert rules(lambda: use(request_, holder(cast, "tier2"))) == ["closed"]


def test_the_same_call_twice_is_one_break_glass(cast: Cast, request_: ApprovalRequest) -> None:
    caller = holder(cast)
    first = use(request_, caller, idempotency_key="once")
    assert use(request_, caller, proven=False, idempotency_key="once") == first


def test_a_denied_gate_stays_denied(cast: Cast, request_: ApprovalRequest) -> None:
    from playbooks.domain.statuses import Verdict

    approvals.decide(
        request_.pk,
        caller=cast.caller("tier2"),
        verdict=Verdict.DENY,
        shown_digest=request_.digest,
        comment="No.",
    )
    assert rules(lambda: use(request_, holder(cast))) == ["closed"]


@pytest.mark.usefixtures("any_time")
def test_case_52_nobody_floods(cast: Cast, begin: Begin) -> None:
    caller = holder(cast)
    run = begin(CHANGE)
    others = [type(run).objects.get(pk=begin_again(cast, run)) for _ in range(4)]
    for number, each in enumerate(others):
        executor.drive(each.pk, worker="test")
        assert rules(lambda: use(each.requests.get(), caller)) == ([] if number < 3 else ["too_often"])  # noqa: B023
    with time_machine.travel(timezone.now() + HOURS, tick=False):
        assert rules(lambda: use(others[3].requests.get(), caller)) == []


def begin_again(cast: Cast, run: Run) -> object:
    from playbooks.operations import runs

    return runs.start(run.version.playbook.slug, caller=cast.caller("analyst")).pk


@pytest.mark.usefixtures("any_time")
def test_case_51_while_a_review_is_overdue_the_next_takes_a_second_holder(cast: Cast, begin: Begin) -> None:
    caller, other = holder(cast), holder(cast, "tier2")
    first, second = (begin_again(cast, run) for run in [begin(CHANGE)] * 2)
    for run in (first, second):
        executor.drive(run, worker="test")
    use(ApprovalRequest.objects.get(run=first), caller)
    late = ApprovalRequest.objects.get(run=second)
    with time_machine.travel(timezone.now() + 72 * HOURS, tick=False):
        late = late.run.requests.latest("opened_at")
        assert rules(lambda: use(late, caller)) == ["second_holder"]
        stand_by(late, caller)
        assert rules(lambda: use(late, caller)) == ["second_holder"], "nobody stands by for themselves"
        stand_by(late, cast.caller("publisher"))
        assert rules(lambda: use(late, caller)) == ["second_holder"], "nor somebody without the right"
        stand_by(late, other)
        glass = use(late, caller)
    assert glass.second == cast.tier2
    assert bodies("request.passed")[-1]["second"] == {"id": str(cast.tier2.pk), "name": "Tier2"}
    assert cast.tier2.step_ups.get().used_at is not None


@pytest.mark.usefixtures("any_time")
def test_a_review_is_overdue_a_day_after_the_end_of_the_case(cast: Cast, request_: ApprovalRequest) -> None:
    from playbooks.access.glass import overdue_reviews

    use(request_, holder(cast))
    drive(request_)
    cases.close(request_.run.case_id, caller=cast.caller("analyst"), resolution="Contained.")
    now = timezone.now()
    assert not overdue_reviews(now + 23 * HOURS).exists()
    assert overdue_reviews(now + 24 * HOURS).exists()
    assert "1 break-glass review is overdue" not in doctor()
    with time_machine.travel(now + 25 * HOURS, tick=False):
        assert "1 break-glass review is overdue" in doctor()


def doctor() -> str:
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("doctor", stdout=out)
    return out.getvalue()


def review(glass: BreakGlass, caller: Caller, comment: str = "Looked at the log.") -> BreakGlassReview:
    return reviews.review(glass.pk, caller=caller, finding=Finding.JUSTIFIED, comment=comment)


def test_somebody_without_a_hand_in_it_reviews_it_once(cast: Cast, request_: ApprovalRequest) -> None:
    glass = use(request_, holder(cast))
    run = drive(request_)
    with pytest.raises(Invalid):
        review(glass, cast.caller("compliance"), " ")
    made = review(glass, cast.caller("compliance"))
    assert (made.finding, made.reviewer_name) == ("justified", "Compliance")
    assert rules(lambda: review(glass, cast.caller("compliance"))) == ["already_reviewed"]
    assert replayed(run).passed_actions == 1
    with pytest.raises(TypeError, match="append-only"):
        BreakGlassReview.objects.filter(pk=made.pk).update(finding="not_justified")


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("netowner", "reviewer_is_user"),
        ("analyst", "has_influence"),
        ("author", "has_influence"),
        ("publisher", None),
    ],
)
def test_case_50_nobody_reviews_their_own_or_what_they_have_a_hand_in(
    cast: Cast, request_: ApprovalRequest, name: str, rule: str | None
) -> None:
    glass = use(request_, holder(cast))
    people.grant(getattr(cast, name), "compliance-officer", actor=SYSTEM, granted_by=None)
    assert rules(lambda: review(glass, cast.caller(name))) == ([rule] if rule else [])


def test_whoever_gave_the_right_just_before_does_not_review(cast: Cast, request_: ApprovalRequest) -> None:
    people.grant(cast.netowner, "break-glass", actor=SYSTEM, granted_by=cast.compliance)
    glass = use(request_, cast.caller("netowner"))
    assert rules(lambda: review(glass, cast.caller("compliance"))) == ["has_influence"]
    assert rules(lambda: review(glass, cast.caller("admin"))) == ["no_permission"]


def test_an_unknown_one_is_missing(cast: Cast) -> None:
    with pytest.raises(Missing):
        review(BreakGlass(pk=cast.admin.pk), cast.caller("compliance"))


def test_it_works_while_nothing_is_signed_and_the_receipt_is_owed(
    cast: Cast, request_: ApprovalRequest, world: World, tmp_path: Path
) -> None:
    glass = use(request_, holder(cast))
    drive(request_)
    assert dict(world.effects) == {"disk": 1}
    glass.refresh_from_db()
    assert (glass.owes_receipt, glass.settled_at) == (True, None)
    (owed,) = bodies("receipt.owed")
    assert owed["step"] == "wipe"
    executor.sweep(now=timezone.now())
    assert not bodies("receipt.settled")
    sequence_once(load_signer(tmp_path))
    executor.sweep(now=timezone.now())
    glass.refresh_from_db()
    assert glass.settled_at is not None
    assert len(bodies("receipt.settled")) == 1


def test_what_two_approved_still_waits_for_its_receipt(
    cast: Cast, request_: ApprovalRequest, world: World
) -> None:
    from playbooks.domain.statuses import Verdict

    prove_decision(cast.caller("tier2"), request_)
    approvals.decide(
        request_.pk, caller=cast.caller("tier2"), verdict=Verdict.APPROVE, shown_digest=request_.digest
    )
    run = drive(request_)
    wipe = run.steps.get(key="wipe")
    assert (wipe.status, wipe.wait_reason) == (StepStatus.WAITING, WaitReason.RECEIPT)
    assert not world.effects


def test_the_doctor_wants_two_holders_with_passkeys_of_their_own(cast: Cast) -> None:
    assert "0 people hold the right" in doctor()
    for number, name in enumerate(("tier2", "netowner"), 1):
        holder(cast, name)
        assert f"{number - 1} people hold the right" in doctor()
        passkey_of(getattr(cast, name))
    assert "people hold the right" not in doctor()
    Principal.objects.filter(pk=cast.tier2.pk).update(is_active=False)
    assert "1 people hold the right" in doctor()


LIES: dict[str, Callable[[dict[str, object]], object]] = {
    "without the right": lambda facts: facts.update(may_break=False),
    "without a proof": lambda facts: facts.update(step_up=""),
    "by somebody else": lambda facts: facts.update(holder="somebody"),
    "over another digest": lambda facts: facts.update(current_digest="f" * 64, shown_digest="f" * 64),
    "for longer": lambda facts: facts.update(minutes=60),
    "for another reason": lambda facts: facts.update(reason="Another."),
    "with a review overdue": lambda facts: facts.update(overdue=1),
}


@pytest.mark.parametrize("lie", LIES)
def test_the_verifier_believes_no_other_break_glass(cast: Cast, request_: ApprovalRequest, lie: str) -> None:
    use(request_, holder(cast))
    run = drive(request_)
    rows = AuditBody.objects.filter(entry__stream__kind="run", entry__stream__key=str(run.pk))
    replay = Replay()
    with pytest.raises(ContradictionError):  # noqa: PT012
        for row in rows.order_by("entry__stream_seq"):
            body = parse_body(bytes(row.body))
            if body.verb == "request.passed":
                LIES[lie](body.facts["glass_facts"])
            replay.feed(body)


@pytest.mark.parametrize("left_out", ["request.passed", "request.consumed"])
def test_the_verifier_misses_what_is_left_out(cast: Cast, request_: ApprovalRequest, left_out: str) -> None:
    use(request_, holder(cast))
    run = drive(request_)
    rows = AuditBody.objects.filter(entry__stream__kind="run", entry__stream__key=str(run.pk))
    replay = Replay()
    with pytest.raises(ContradictionError):  # noqa: PT012
        for row in rows.order_by("entry__stream_seq"):
            body = parse_body(bytes(row.body))
            if body.verb != left_out:
                replay.feed(body)


def test_case_48_no_operation_but_the_gate_of_a_run_takes_it() -> None:
    """Policies, grants, keys and the log: none of what changes them knows of break-glass (abuse case 48)."""
    folder = Path(inspect.getfile(operations)).parent
    knowing = set()
    for path in sorted(folder.parent.rglob("*.py")):
        names = {alias.name for node in ast.walk(ast.parse(path.read_text())) for alias in imported(node)}
        if names & {"BreakGlass", "break_glass"} and path.parent.name in {"operations", "executor"}:
            knowing.add(path.stem)
    assert knowing == {"break_glass", "owed_receipts", "reviews", "authority", "telling"}  # which only tells


def imported(node: ast.AST) -> list[ast.alias]:
    return node.names if isinstance(node, ast.Import | ast.ImportFrom) else []
