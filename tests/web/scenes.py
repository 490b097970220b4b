"""Runs to look at: one for each reason to wait, and those with turns, children, failures and rollbacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from django.utils import timezone

from playbooks import executor
from playbooks.domain.exits import Reason, Standing
from playbooks.domain.outcomes import Failed, Succeeded
from playbooks.domain.statuses import RequestStatus, Verdict, WaitReason
from playbooks.models import Connection, HoldScope, ProfileChange, Run
from playbooks.operations import answers, approvals, holds, rollbacks, runs, stopping
from tests.cast import Cast, publish
from tests.executor.world import BROKEN, LOST, World
from tests.proving import prove_decision


@dataclass
class Stage:
    """The cast, the far side `fake` with its connection, and how many playbooks there are."""

    cast: Cast
    world: World
    connection: Connection
    playbooks: list[str] = field(default_factory=list)

    def publish(self, steps: str, *, title: str, slug: str = "", **more: str) -> str:
        slug = slug or f"scene-{len(self.playbooks)}"
        head = "".join(f"{key}: {value}\n" for key, value in more.items())
        publish(self.cast, f"playbook: {slug}\ntitle: {title}\n{head}steps:\n{steps}")
        self.playbooks.append(slug)
        return slug

    def begin(self, steps: str, *, title: str, slug: str = "", **more: str) -> Run:
        return self.start(self.publish(steps, title=title, slug=slug, **more))

    def start(self, slug: str, **inputs: object) -> Run:
        run = runs.start(slug, caller=self.cast.caller("analyst"), inputs=inputs)
        return self.drive(run)

    def drive(self, run: Run) -> Run:
        executor.drive(run.pk, worker="worker-1")
        run.refresh_from_db()
        return run

    def sweep(self, run: Run, **later: float) -> Run:
        executor.sweep(now=timezone.now() + timedelta(**later))
        return self.drive(run)

    def approve(self, run: Run) -> Run:
        for request in run.requests.filter(status=RequestStatus.OPEN):
            for person in ("tier2", "netowner")[: request.seats.count()]:
                prove_decision(self.cast.caller(person), request)
                approvals.decide(
                    request.pk,
                    caller=self.cast.caller(person),
                    verdict=Verdict.APPROVE,
                    shown_digest=request.digest,
                )
        return self.drive(run)

    def limit(self, **columns: int | None) -> None:
        Connection.objects.filter(pk=self.connection.pk).update(**columns)


def do(step: str, action: str = "keyed", *lines: str, title: str = "") -> str:
    """A step that acts on the target of its own name."""
    name = f"    title: {title}\n" if title else ""
    more = "".join(f"    {line}\n" for line in lines)
    return (
        f"  - id: {step}\n{name}    do: fake.{action}\n    using: fake\n    with: {{target: {step}}}\n{more}"
    )


GATE = """\
  - id: gate
    title: Two people agree
    approve: Block 203.0.113.9 at the edge for 24 hours?
    seats: [{role: tier-2}, {role: network-owner}]
    within: 30m
"""
QUESTION = """\
  - id: scope
    title: Ask for the scope
    ask: Which hosts are affected?
    fields: {hosts: {type: list, title: Hosts}}
    who: {role: tier-2}
    within: 4h
"""
HOSTS = """\
  - id: hosts
    title: Isolate each host
    each: ${ inputs.hosts }
    at_once: 3
    may_fail: 2
    outputs: {host: "${ item }"}
    steps:
      - id: isolate
        title: Isolate the host
        do: fake.keyed
        using: fake
        with: {target: "${ item }"}
      - id: settle
        title: Let it settle
        wait: {for: 10m}
      - id: verify
        title: Look whether it is isolated
        do: fake.read
        using: fake
        with: {target: "${ item }"}
"""
WATCH = """\
  - id: watch
    title: Watch the memory
    repeat: {until: "steps.memory.outputs.count < 0", most: 20, every: 30s}
    steps:
      - id: memory
        title: Read the memory
        do: fake.read
        using: fake
        with: {target: memory}
"""


def approval(stage: Stage) -> Run:
    return stage.begin(
        do("look", "read", title="Look the address up") + GATE + do("block"), title="Block an address"
    )


def answer(stage: Stage) -> Run:
    return stage.begin(QUESTION + do("isolate"), title="Ask who is affected")


def time(stage: Stage) -> Run:
    return stage.begin("  - id: pause\n    wait: {for: 10m}\n" + do("after"), title="Wait a while")


def event(stage: Stage) -> Run:
    wait = "  - id: reply\n    wait: {event: mail.replied, key: msg-17, within: 24h, late: go_on}\n"
    return stage.begin(wait + do("after"), title="Wait for a reply")


def child(stage: Stage) -> Run:
    inner = stage.publish(GATE + do("block"), title="Block at the gateway", slug="gateway-block")
    run = stage.begin(
        f"  - id: contain\n    title: Contain it\n    run: {inner}\n    timeout: 2h\n" + do("after"),
        title="Contain an attacker",
    )
    stage.drive(Run.objects.get(parent__run=run))
    return run


def turns(stage: Stage) -> Run:
    """Of seven hosts, one could not be isolated, three are under way."""
    slug = stage.publish(
        do("look", "read") + HOSTS + do("tell", title="Tell the owners"),
        title="Isolate hosts",
        inputs="{hosts: {type: list}}",
    )
    gone = Failed("The far side answered 404: there is no such host.", permanent=True)
    stage.world.outcomes.extend([Succeeded({"target": "look", "changed": False, "count": 1}), gone])
    run = stage.start(slug, hosts=[f"srv-{number:02}.example" for number in range(1, 8)])
    return stage.drive(run)


def job(stage: Stage) -> Run:
    return stage.begin(
        do("scan", "job", "timeout: 1h", title="Scan the disks") + do("after"), title="Scan a host"
    )


def retry(stage: Stage) -> Run:
    slug = stage.publish(
        do("block", "keyed", "retry: {times: 3, every: 5m}"), title="Block, and again if need be"
    )
    stage.world.outcomes.append(BROKEN)
    return stage.start(slug)


def receipt(stage: Stage) -> Run:
    gate = "  - id: gate\n    approve: Wipe the disk?\n    seats: [{role: tier-2}]\n"
    return stage.approve(stage.begin(gate + do("wipe", "destroy"), title="Wipe a disk"))


def delay(stage: Stage) -> Run:
    """One person alone, who asked for it."""
    now = timezone.now()
    ProfileChange.objects.create(profile="solo", reason="Alone.", proposed_at=now, takes_effect_at=now)
    gate = "  - id: gate\n    approve: Block it?\n    seats: [{role: tier-2}]\n"
    run = stage.approve(stage.begin(gate + do("block"), title="Block it alone"))
    ProfileChange.objects.all().delete()
    return run


def slot(stage: Stage) -> Run:
    """Another run has taken the only place, with a job."""
    stage.limit(most_at_once=1)
    stage.begin(do("scan", "job"), title="Take the only place")
    run = stage.begin(do("block"), title="Wait for a place")
    stage.limit(most_at_once=None)
    return run


def rate(stage: Stage) -> Run:
    stage.limit(most_calls=1, calls_seconds=600)
    stage.begin(do("one"), title="Make the only call")
    run = stage.begin(do("two"), title="Call too often")
    stage.limit(most_calls=None)
    return run


def hold(stage: Stage) -> Run:
    slug = stage.publish(do("block"), title="Something that is held")
    holds.place(
        HoldScope.CONNECTION,
        caller=stage.cast.caller("admin"),
        name="fake",
        reason="The firewall is being replaced until noon",
    )
    return stage.start(slug)


def pause(stage: Stage) -> Run:
    slug = stage.publish(do("block"), title="Something that is paused")
    run = runs.start(slug, caller=stage.cast.caller("analyst"))
    stopping.pause(run.pk, caller=stage.cast.caller("tier2"))
    return stage.drive(run)


def queued(stage: Stage) -> Run:
    slug = stage.publish(do("block"), title="Not taken up yet")
    return runs.start(slug, caller=stage.cast.caller("analyst"))


def unknown(stage: Stage) -> Run:
    slug = stage.publish(do("act", "never", title="Reset the session"), title="Do it once")
    stage.world.outcomes.append(LOST)
    return stage.start(slug)


def unknown_inside(stage: Stage) -> Run:
    """Nobody knows what became of a step inside a turn."""
    text = (
        "  - id: hosts\n    each: ${ inputs.hosts }\n    steps:\n"
        '      - id: act\n        do: fake.never\n        using: fake\n        with: {target: "${ item }"}\n'
    )
    slug = stage.publish(text, title="Do it once for each", inputs="{hosts: {type: list}}")
    stage.world.outcomes.append(LOST)
    return stage.start(slug, hosts=["a", "b"])


def paused(stage: Stage) -> Run:
    """It waits for people, who may decide; nothing would begin."""
    run = approval(stage)
    stopping.pause(run.pk, caller=stage.cast.caller("tier2"))
    return stage.drive(run)


def held(stage: Stage) -> Run:
    run = stage.begin(
        "  - id: pause\n    wait: {for: 10m}\n" + do("after"),
        title="Held while it waits",
        slug="held-playbook",
    )
    holds.place(
        HoldScope.PLAYBOOK,
        caller=stage.cast.caller("admin"),
        name="held-playbook",
        reason="It blocked our own scanner this morning",
    )
    return stage.drive(run)


def cancelling(stage: Stage) -> Run:
    run = stage.begin(
        do("scan", "job") + do("tidy", "job", "after: always", title="Tidy up"), title="Cancelled under way"
    )
    stopping.cancel(run.pk, caller=stage.cast.caller("analyst"))
    return stage.drive(run)


def rolling_back(stage: Stage) -> Run:
    run = stage.begin(do("one") + do("two"), title="Being taken back")
    plan = rollbacks.plan_of(run)
    rollbacks.start(run.pk, caller=stage.cast.caller("analyst"), plan_digest=plan.digest)
    run.refresh_from_db()
    return run


def watching(stage: Stage) -> Run:
    run = stage.begin(WATCH + do("after"), title="Watch a pod")
    return stage.sweep(run, seconds=40)


EXPIRED = Failed("The desk answered 401: the token has expired. Renew it in the connection.", permanent=True)


def failed(stage: Stage) -> Run:
    slug = stage.publish(
        do("look", "read", title="Look the address up")
        + do("block", title="Block the address")
        + do("tell", "keyed", "retry: {times: 1, every: 1s}", title="Tell the desk")
        + do("after"),
        title="Block, then tell",
    )
    done = [Succeeded({"target": each, "changed": each != "look", "count": 1}) for each in ("look", "block")]
    stage.world.outcomes.extend([*done, EXPIRED])
    return stage.start(slug)


def answered(stage: Stage) -> Run:
    """All was done, after an answer of a person and the approval of two."""
    run = stage.begin(
        QUESTION.replace("tier-2", "analyst") + GATE + do("block", title="Block the address"),
        title="Ask, agree, block",
    )
    question = run.questions.get()
    answers.answer(question.pk, caller=stage.cast.caller("analyst"), answers={"hosts": ["srv-01.example"]})
    return stage.approve(stage.drive(run))


Scene = Callable[[Stage], Run]
SCENES: Mapping[Reason, Scene] = {
    WaitReason.APPROVAL: approval,
    WaitReason.ANSWER: answer,
    WaitReason.TIME: time,
    WaitReason.EVENT: event,
    WaitReason.CHILD: child,
    WaitReason.TURNS: turns,
    WaitReason.JOB: job,
    WaitReason.RETRY: retry,
    WaitReason.RECEIPT: receipt,
    WaitReason.DELAY: delay,
    WaitReason.SLOT: slot,
    WaitReason.RATE: rate,
    WaitReason.HOLD: hold,
    WaitReason.PAUSE: pause,
    Standing.QUEUED: queued,
    Standing.READY: queued,
    Standing.UNKNOWN: unknown,
    Standing.PAUSED: paused,
    Standing.HELD: held,
    Standing.CANCELLING: cancelling,
    Standing.ROLLING_BACK: rolling_back,
}
