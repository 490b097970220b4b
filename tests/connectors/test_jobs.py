"""What goes on at the far side: how it is followed and stopped, whatever the connector answers or raises."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from playbooks.connectors import contract, registry
from playbooks.connectors.declaration import HIDDEN, Binding, Connector, Context, Field, Job
from playbooks.connectors.errors import AnswerLostError, RefusedError, UnreachableError
from playbooks.connectors.schemas import TEXT, record
from playbooks.connectors.simulator import simulate, simulate_cancel, simulate_end
from playbooks.domain.actions import Action, Effect, Irreversible, NothingToUndo, Repeat, Timeout
from playbooks.domain.outcomes import Failed, Lost, Outcome, Pending, Succeeded
from tests.connectors.conftest import make_context

CANARY = "canary/7f3d+secret"
HANDLE = {"job": "a-17", "part": [1, None]}


@dataclass
class FarSide:
    """It answers in this order; an exception is raised. `asked` is what it was asked, and with which handle."""

    answers: list[object] = field(default_factory=list)
    asked: list[tuple[str, object]] = field(default_factory=list)

    def start(self, _: Context, **inputs: object) -> Outcome:
        return self._answer("start", inputs)

    def poll(self, _: Context, handle: Mapping[str, object], **__: object) -> Outcome:
        return self._answer("poll", handle)

    def cancel(self, _: Context, handle: Mapping[str, object], **__: object) -> Outcome:
        return self._answer("cancel", handle)

    def _answer(self, question: str, about: object) -> Outcome:
        self.asked.append((question, about))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[return-value]  # some of these tests answer with no outcome at all


def connector(far_side: FarSide) -> Connector:
    """A connector with a job, and one with an action that has no way to follow one."""
    job = Job(far_side.poll, far_side.cancel)
    token = Field("token", "Token", "secret", False, "A token.", None)
    bindings = (
        Binding(_action("long", is_job=True), far_side.start, dict, None, None, job),
        Binding(_action("look", is_job=True, effect=Effect.READ), far_side.start, dict, None, None, job),
        Binding(_action("short", is_job=False), far_side.start, dict, None, None),
    )
    return Connector("far", "Far", (token,), bindings)


def _action(name: str, *, is_job: bool, effect: Effect = Effect.CHANGE) -> Action:
    return Action(
        key=f"far.{name}",
        label=name,
        inputs=record({"target": TEXT}),
        outputs={"type": "object", "properties": {"target": TEXT, "changed": {"type": "boolean"}}},
        effect=effect,
        repeat=Repeat.NEVER,
        undo=NothingToUndo() if effect is Effect.READ else Irreversible("Gone is gone."),
        timeout=Timeout(1, 5),
        target="target",
        example={"target": "t", "changed": True},
        is_job=is_job,
    )


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> Iterator[FarSide]:
    far_side = FarSide()
    monkeypatch.setattr(registry, "CONNECTORS", {"far": connector(far_side)})
    yield far_side
    assert far_side.answers == [], "not every answer was asked for"


INPUTS = {"target": "host-7"}
ASK = {"poll": contract.poll, "cancel": contract.cancel}
however_asked = pytest.mark.parametrize("question", sorted(ASK))


def start(action: str = "far.long", **changes: object) -> Outcome:
    return contract.perform(action, make_context(secrets={"token": CANARY}), {**INPUTS, **changes})


def ask(question: str, action: str = "far.long", seconds: float = 20.0) -> Outcome:
    context = make_context(secrets={"token": CANARY}, seconds=seconds)
    return ASK[question](action, context, HANDLE, INPUTS)


def test_a_job_is_started_followed_and_ends(far: FarSide) -> None:
    far.answers = [Pending(HANDLE, 5, "Queued."), Pending(HANDLE, 7), Succeeded({"changed": True})]
    assert start() == Pending(HANDLE, 5.0, "Queued.")
    assert ask("poll") == Pending(HANDLE, 7.0)
    assert ask("poll") == Succeeded({"changed": True})
    assert far.asked == [("start", INPUTS), ("poll", HANDLE), ("poll", HANDLE)]


def test_a_job_that_is_asked_to_stop_is_pending_until_it_has_stopped(far: FarSide) -> None:
    far.answers = [Pending(HANDLE, 2, "It is stopping."), Failed("It was stopped.", permanent=True)]
    assert ask("cancel") == Pending(HANDLE, 2.0, "It is stopping.")
    assert ask("cancel") == Failed("It was stopped.", permanent=True)
    assert [question for question, _ in far.asked] == ["cancel", "cancel"]


@however_asked
@pytest.mark.parametrize(
    "error",
    [
        RefusedError(f"401 {CANARY}"),
        UnreachableError(f"No route {CANARY}"),
        AnswerLostError(f"Half an answer {CANARY}"),
        ValueError(CANARY),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_in_asking_is_no_end_of_the_job(far: FarSide, question: str, error: Exception) -> None:
    far.answers = [error]
    outcome = ask(question)
    assert isinstance(outcome, Pending)
    assert (outcome.handle, outcome.poll_after) == (HANDLE, contract.ASK_AGAIN)
    assert outcome.sentence
    assert CANARY not in repr(outcome)


@however_asked
def test_a_job_that_cannot_be_asked_goes_on(far: FarSide, question: str) -> None:
    late = ask(question, seconds=-1.0)
    assert late == Pending(HANDLE, contract.ASK_AGAIN, "far.long was not called: its deadline had passed.")
    for action in ("far.short", "far.gone", "gone.long"):
        assert isinstance(ask(question, action), Pending)
    assert far.asked == []


@however_asked
def test_a_far_side_that_has_forgotten_the_job_leaves_it_lost(far: FarSide, question: str) -> None:
    far.answers = [Lost(f"It has no such job {CANARY}.")]
    assert ask(question) == Lost(f"It has no such job {HIDDEN}.")


@however_asked
@pytest.mark.parametrize("outputs", [{"changed": "yes"}, {"more": "x" * 1024 * 1024}])
def test_an_end_whose_outputs_cannot_be_used_is_lost_and_for_a_read_failed(
    far: FarSide, question: str, outputs: Mapping[str, object]
) -> None:
    far.answers = [Succeeded(outputs), Succeeded(outputs)]
    assert isinstance(ask(question), Lost)
    assert isinstance(ask(question, "far.look"), Failed)


@however_asked
def test_an_end_shows_no_secret(far: FarSide, question: str) -> None:
    far.answers = [
        Succeeded({"target": CANARY}),
        Failed(CANARY, permanent=False, retry_after=3),
        Pending(HANDLE, 9, f"At {CANARY}"),
    ]
    assert ask(question) == Succeeded({"target": HIDDEN})
    assert ask(question) == Failed(HIDDEN, permanent=False, retry_after=3.0)
    assert ask(question) == Pending(HANDLE, 9.0, f"At {HIDDEN}")


@pytest.mark.parametrize(
    ("action", "handle", "why"),
    [
        ("far.short", HANDLE, "it is not declared as a job"),
        ("far.long", {"url": f"https://x/{CANARY}"}, "its handle holds a secret"),
        ("far.long", {"text": "x" * 64 * 1024}, "its handle is larger than 64 KiB"),
        ("far.long", {"at": object()}, "broke off"),
    ],
)
def test_a_job_that_cannot_be_followed_is_lost_at_once(
    far: FarSide, action: str, handle: Mapping[str, object], why: str
) -> None:
    far.answers = [Pending(handle, 5)]
    outcome = start(action)
    assert isinstance(outcome, Lost)
    assert why in outcome.sentence
    assert CANARY not in outcome.sentence


@pytest.mark.parametrize(
    ("said", "meant"), [(-1, 1), (0, 1), (2.5, 2.5), (10**9, 3600), (math.inf, 3600), (math.nan, 3600)]
)
def test_the_pause_between_two_questions_is_bounded(far: FarSide, said: float, meant: float) -> None:
    far.answers = [Pending(HANDLE, said)]
    assert start() == Pending(HANDLE, meant)


@pytest.mark.parametrize(
    ("said", "meant"), [(None, None), (-5, 0), (30, 30), (10**9, 86_400), (math.nan, 86_400)]
)
def test_the_wait_that_a_far_side_asks_for_is_bounded(
    far: FarSide, said: float | None, meant: float | None
) -> None:
    far.answers = [Failed("Too many.", permanent=False, retry_after=said)]
    assert start() == Failed("Too many.", permanent=False, retry_after=meant)


@pytest.mark.parametrize("answer", [None, "done", {"state": "done"}])
def test_what_is_no_outcome_leaves_the_doubt_of_a_lost_answer(far: FarSide, answer: object) -> None:
    far.answers = [answer, answer]
    assert isinstance(start(), Lost)
    assert isinstance(ask("poll"), Lost)


def test_only_a_job_offers_to_be_stopped(far: FarSide) -> None:
    offered = [contract.offers_cancel(f"far.{name}") for name in ("long", "short", "gone")]
    assert offered == [True, False, False]


def test_a_simulated_job_goes_on_once_and_does_its_work_when_it_is_asked(far: FarSide) -> None:
    action = registry.binding("far.long").action
    started, state = simulate(action, INPUTS, {})
    assert isinstance(started, Pending)
    assert state == {}
    ended, _ = simulate_end(action, INPUTS, state)
    assert ended == Succeeded({"target": "host-7", "changed": True})
    stopped = simulate_cancel(action)
    assert isinstance(stopped, Failed)
    assert stopped.permanent
