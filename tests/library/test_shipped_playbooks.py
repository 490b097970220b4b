"""Every shipped playbook, played to its end in simulation and rolled back: what people do, and what is taken back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.serializers import serialize

from playbooks.domain.check import check
from playbooks.domain.rollback import RollbackPlan, UndoRun
from playbooks.domain.statuses import RunStatus, StepStatus
from playbooks.management.library import SHIPPED, text_of
from playbooks.models import Attempt, Run, Step
from playbooks.operations.actions import actions
from playbooks.operations.rollbacks import plan_of
from tests.cast import Cast
from tests.library.desk import (
    Act,
    Answer,
    Approve,
    Deny,
    Desk,
    Expire,
    Late,
    Lose,
    Post,
)

HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
SECURITY_AND_OWNER = ("tier2", "assetowner")
SECURITY_AND_NETWORK = ("netowner", "tier2")


def alert(category: str, severity: int = 80, **more: object) -> Mapping[str, object]:
    """An alert as a product would post it."""
    return {
        "source": "desk",
        "title": f"Seen: {category}",
        "category": category,
        "severity": severity,
        **more,
    }


@dataclass(frozen=True, slots=True)
class Scenario:
    """`undone` are the steps that are taken back, "b > a" where b comes before a because it was done after; those of
    another playbook that it runs bear its name. `stays` are those of which the plan says that nothing takes them back.
    """

    name: str
    playbook: str
    alert: Mapping[str, object]
    story: tuple[Act, ...]
    undone: tuple[str, ...]
    stays: frozenset[str] = frozenset()
    inputs: Mapping[str, object] = field(default_factory=dict)
    ends: RunStatus = RunStatus.SUCCEEDED
    marks: tuple[Any, ...] = ()


PHISHING = alert(
    "phishing",
    description="The link is hxxps://login.pay-portal[.]example/session",
    observables={"email": ["billing@pay-portal.example"]},
)
TAKEOVER = alert("account-takeover", observables={"user": ["m.okafor"]})
RANSOMWARE = alert("ransomware", 95, observables={"host": ["FIN-LT-114"], "hash": [HASH]})
TRAVEL = alert("impossible-travel", observables={"user": ["m.okafor"]})
POD = alert("pod-memory", assets=["shop/cart"])
DOMAIN = alert("malicious-domain", observables={"domain": ["k3.update-check.example"]})
LAPTOP = alert("lost-device", observables={"host": ["SAL-LT-031"]})
DDOS = alert("ddos", observables={"domain": ["shop.example"]})
NIGHT = alert("capacity", assets=["shop-web"], detected_at="2026-11-23T02:00:00Z")
BRUTE = alert("brute-force", observables={"ip": ["203.0.113.9"]})

SCENARIOS = [
    Scenario(
        "phishing is purged when two people agree",
        "phishing-triage-and-purge",
        PHISHING,
        (Approve("verdict", SECURITY_AND_OWNER),),
        undone=("clicked[0].restrict > quarantine", "sinkhole > quarantine", "block > quarantine"),
        stays=frozenset({"purge", "clicked[0].sessions", "tell"}),
    ),
    Scenario(
        "mail that is no phishing comes back when somebody denies",
        "phishing-triage-and-purge",
        PHISHING,
        (Deny("verdict", "assetowner"),),
        ends=RunStatus.ROLLED_BACK,
        undone=("quarantine",),
    ),
    Scenario(
        "a taken account is locked, and opened again for its owner",
        "account-takeover",
        TAKEOVER,
        (Approve("gate", ("tier2",)), Answer("reached", "tier2", {"theirs": True, "note": "Called back."})),
        undone=("lock",),
        stays=frozenset({"sessions", "reset", "forwarding", "hand_over", "unlock"}),
    ),
    Scenario(
        "an account is taken away whole or not at all",
        "account-takeover",
        TAKEOVER,
        (Lose("mail"), Approve("gate", ("tier2",))),
        ends=RunStatus.ROLLED_BACK,
        undone=("lock",),
        stays=frozenset({"sessions", "reset"}),
    ),
    Scenario(
        "ransomware is cut off at once, and elsewhere with two people's consent",
        "ransomware-on-a-host",
        RANSOMWARE,
        (
            Approve("spread", SECURITY_AND_OWNER),
            Answer("backups", "assetowner", {"sound": True, "backup": "2026-11-20"}),
        ),
        undone=("rebuild > isolate", "rebuild > contain[0].cut_off", "account > isolate", "nowhere"),
        stays=frozenset({"kill", "tell"}),
    ),
    Scenario(
        "a leaked key is deleted only after it was replaced",
        "leaked-cloud-key",
        alert("leaked-key", observables={"cloud_resource": ["AKIAEXAMPLE7Q2"]}),
        (
            Approve("gate", SECURITY_AND_OWNER),
            Answer("replaced", "analyst", {"replaced": True, "cleaned": True}),
            Approve("final", SECURITY_AND_OWNER),
        ),
        undone=("instances[1].cut_off > disable", "instances[0].cut_off > disable"),
        stays=frozenset({"instances[0].keep", "instances[1].keep", "delete"}),
    ),
    Scenario(
        "a domain is sunk until its time is over",
        "sinkhole-domain",
        DOMAIN,
        (Approve("gate", SECURITY_AND_NETWORK), Expire()),
        inputs={"quiet_below": 40},
        undone=("sinkhole",),
        stays=frozenset({"tell"}),
    ),
    Scenario(
        "hosts that go on asking become a ticket",
        "sinkhole-domain",
        DOMAIN,
        (Approve("gate", SECURITY_AND_NETWORK),),
        undone=("unclean > sinkhole",),
        stays=frozenset({"tell"}),
    ),
    Scenario(
        "a traveller who says that it was they is free again",
        "impossible-travel",
        TRAVEL,
        (Post("user.answered", "m.okafor", {"was_me": True}),),
        undone=("restrict",),
        stays=frozenset({"question", "release"}),
        marks=(pytest.mark.needs_bubblewrap,),
    ),
    Scenario(
        "a traveller who does not answer was not there",
        "impossible-travel",
        TRAVEL,
        (
            Late("answer"),
            Approve("account-takeover/gate", ("tier2",)),
            Answer("account-takeover/reached", "tier2", {"theirs": False}),
        ),
        undone=("account-takeover/lock > restrict",),
        stays=frozenset(
            {
                "question",
                *(f"account-takeover/{step}" for step in ("sessions", "reset", "forwarding")),
            }
        ),
        marks=(pytest.mark.needs_bubblewrap,),
    ),
    Scenario(
        "a higher limit helps",
        "pod-memory-runaway",
        POD,
        (Approve("gate", ("assetowner",)),),
        inputs={"over": 60},
        undone=("limits",),
        stays=frozenset({"restart"}),
    ),
    Scenario(
        "a higher limit that does not help is put back",
        "pod-memory-runaway",
        POD,
        (Approve("gate", ("assetowner",)),),
        inputs={"over": 60, "well_below": 50},
        ends=RunStatus.ROLLED_BACK,
        undone=("limits",),
        stays=frozenset({"restart", "tell"}),
    ),
    Scenario(
        "a pod under its threshold is left alone",
        "pod-memory-runaway",
        POD,
        (),
        undone=(),
    ),
    Scenario(
        "a workload is ended gracefully, and what is stuck at once",
        "graceful-termination",
        alert("rogue-workload", assets=["shop/cart"]),
        (Approve("gate", SECURITY_AND_OWNER),),
        undone=("scale",),
        stays=frozenset({"at_once[0].end", "at_once[1].end", "tell"}),
    ),
    Scenario(
        "a node is drained, and comes back when it was rebuilt",
        "node-drain",
        alert("node-compromise", observables={"host": ["worker-07"]}),
        (Approve("gate", SECURITY_AND_OWNER), Answer("rebuilt", "assetowner", {"back": True})),
        undone=("cordon",),
        stays=frozenset({"drain", "uncordon"}),
    ),
    Scenario(
        "a group grows at night, and shrinks when it is quiet",
        "capacity-out-of-hours",
        NIGHT,
        (Approve("beyond", ("assetowner",)),),
        inputs={"busy": 40, "quiet": 45, "size": 20},
        undone=("out",),
        stays=frozenset({"back"}),
    ),
    Scenario(
        "a group that stays busy is the day shift's",
        "capacity-out-of-hours",
        NIGHT,
        (Answer("shift", "assetowner", {"back": False}),),
        inputs={"busy": 40, "quiet": 10},
        undone=("out",),
    ),
    Scenario(
        "everybody is logged out when two people consent",
        "log-out-everybody",
        alert("session-anomaly", assets=["web-shop"]),
        (Approve("gate", SECURITY_AND_OWNER),),
        inputs={"limit": 40, "normal": 45},
        undone=("slow",),
        stays=frozenset({"log_out[0].end", "log_out[1].end", "log_out[2].end", "tell"}),
    ),
    Scenario(
        "a patch goes to one host first, and to the others after a second consent",
        "vulnerability-patch-window",
        alert("vulnerability", external_id="CVE-2026-10417", assets=["web"]),
        (Approve("consent", SECURITY_AND_OWNER), Approve("others", ("assetowner",))),
        undone=("patch[1].install > pilot", "patch[0].install > pilot"),
        stays=frozenset({"tell"}),
    ),
    Scenario(
        "data theft stays between those who have to know",
        "insider-data-theft",
        alert("insider", observables={"user": ["m.okafor"], "host": ["FIN-LT-114"]}),
        (
            Approve("gate", ("compliance", "tier2")),
            Answer("outcome", "compliance", {"cleared": False, "note": "Handed to counsel."}),
        ),
        undone=("isolate > ticket", "lock > ticket"),
        stays=frozenset({"sessions", "note"}),
    ),
    Scenario(
        "a certificate is renewed and answers",
        "certificate-expiry",
        alert("certificate-expiry", 30, observables={"domain": ["shop.example"]}),
        (Approve("gate", ("assetowner",)),),
        undone=("renew",),
        stays=frozenset({"tell"}),
    ),
    Scenario(
        "an address that guesses is blocked, and whom it got into is protected",
        "brute-force",
        BRUTE,
        (
            Approve("block-attacker/gate", SECURITY_AND_NETWORK),
            Approve("brute-force/gate", ("tier2",)),
        ),
        undone=("accounts[0].restrict", "block-attacker/block"),
        stays=frozenset({"accounts[0].sessions", "tell", "block-attacker/tell"}),
    ),
    Scenario(
        "malware is hunted, and hunted again a day later",
        "malware-hash-hunt",
        alert("malware-hash", observables={"hash": [HASH]}),
        (Approve("few", ("tier2",)),),
        undone=("hosts[1].quarantine", "hosts[0].quarantine", "hosts[0].isolate", "nowhere"),
        stays=frozenset({"hosts[0].kill"}),
    ),
    Scenario(
        "protection against a flood is for half a day",
        "ddos",
        DDOS,
        (Approve("gate", SECURITY_AND_NETWORK), Expire()),
        undone=("sources[1].block", "sources[0].block", "limit", "challenge"),
        stays=frozenset({"tell"}),
    ),
    Scenario(
        "protection against a flood is taken back by hand before its time",
        "ddos",
        DDOS,
        (Approve("gate", SECURITY_AND_NETWORK),),
        undone=("sources[1].block", "sources[0].block", "limit", "challenge"),
        stays=frozenset({"tell"}),
    ),
    Scenario(
        "a laptop that is not found is erased by two people",
        "lost-laptop",
        LAPTOP,
        (Late("found"), Approve("gate", SECURITY_AND_OWNER)),
        undone=("police > restrict", "police > lock"),
        stays=frozenset({"sessions", "wipe"}),
    ),
    Scenario(
        "a laptop that is found is nobody's concern any more",
        "lost-laptop",
        LAPTOP,
        (Post("device.found", "SAL-LT-031", {}),),
        undone=("restrict", "lock"),
        stays=frozenset({"sessions", "unlock", "unrestrict"}),
    ),
    Scenario(
        "a supplier is let in again when it is clean",
        "third-party-breach",
        alert("third-party-breach", assets=["Contoso Payroll"]),
        (
            Approve("gate", SECURITY_AND_OWNER),
            Post("vendor.clean", "Contoso Payroll", {"report": "IR-77"}),
            Approve("back", ("assetowner", "compliance")),
        ),
        undone=("keys[0].disable", "accounts[1].lock", "accounts[0].lock", "suspend"),
        stays=frozenset(
            {
                *("restore", "unlock[0].open", "unlock[1].open"),
                *("accounts[0].sessions", "accounts[1].sessions"),
            }
        ),
    ),
    Scenario(
        "a log that was switched off leads to the host",
        "siem-silence",
        alert("log-silence", assets=["edge-firewall"]),
        (
            Answer("verdict", "analyst", {"tampered": True, "hosts": ["FIN-LT-114"]}),
            Approve("gate", SECURITY_AND_OWNER),
        ),
        inputs={"silent_after": 1},
        undone=("hosts[0].isolate > ticket",),
        stays=frozenset({"restart"}),
    ),
    Scenario(
        "an attacker is blocked",
        "block-attacker",
        alert("exploit", observables={"ip": ["203.0.113.9"]}),
        (Approve("gate", SECURITY_AND_NETWORK),),
        inputs={"address": "203.0.113.9"},
        undone=("block",),
        stays=frozenset({"tell"}),
    ),
    Scenario(
        "an address is blocked at a gateway",
        "block-at-gateway",
        alert("exploit", observables={"ip": ["203.0.113.9"]}),
        (Approve("gate", SECURITY_AND_NETWORK),),
        inputs={"address": "203.0.113.9"},
        undone=("block",),
    ),
]


@pytest.fixture
def desk(cast: Cast, tmp_path: Path) -> Desk:
    return Desk(cast, tmp_path)


def undone(run: Run) -> list[str]:
    """The steps that were taken back, of the run and of those that it started, in order."""
    family = [run, *Run.objects.filter(parent__run=run)]
    done = Attempt.objects.filter(step__undoes__run__in=family, step__status=StepStatus.SUCCEEDED)
    steps = [attempt.step.undoes for attempt in done.order_by("started_at")]
    return [_name(step, run) for step in steps if step is not None]


def _name(step: Step, run: Run) -> str:
    return step.key if step.run_id == run.pk else f"{step.run.version.playbook.slug}/{step.key}"


def _irreversible(plan: RollbackPlan, prefix: str) -> Iterator[str]:
    """The steps that nothing takes back, each with its sentence in the plan; also of runs that a step started."""
    for step, sentence in plan.irreversible:
        assert sentence.endswith(".")
        yield prefix + step
    for call in (each.call for each in plan.undoings):
        if isinstance(call, UndoRun):
            yield from _irreversible(call.plan, f"{Run.objects.get(pk=call.run).version.playbook.slug}/")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "scenario", [pytest.param(each, id=each.name, marks=each.marks) for each in SCENARIOS]
)
def test_a_shipped_playbook_ends_as_it_should_and_is_taken_back(scenario: Scenario, desk: Desk) -> None:
    run = desk.start(scenario.playbook, scenario.alert, scenario.inputs)
    for act in scenario.story:
        act.happen(desk)
    run = desk.again(run)
    assert run.status == scenario.ends, run.sentence
    assert run.is_simulated
    plan = plan_of(run)
    if plan.undoings:
        desk.roll_back(run)
        assert desk.again(run).status == RunStatus.ROLLED_BACK
    order = undone(run)
    chains = [chain.split(" > ") for chain in scenario.undone]
    assert sorted(order) == sorted({step for chain in chains for step in chain})
    for chain in chains:
        assert chain == sorted(chain, key=order.index)
    assert set(_irreversible(plan, "")) == scenario.stays


@pytest.mark.django_db
def test_the_new_password_of_a_taken_account_is_written_nowhere(desk: Desk) -> None:
    scenario = next(each for each in SCENARIOS if each.playbook == "account-takeover")
    run = desk.start(scenario.playbook, scenario.alert, {})
    for act in scenario.story:
        act.happen(desk)
    assert run.steps.get(key="hand_over").status == StepStatus.SUCCEEDED
    password = str(actions()["identity.reset_password"].example["password"])
    tables = apps.get_app_config("playbooks").get_models()
    assert not [table for table in tables if password in serialize("json", table._default_manager.all())]


def test_every_shipped_playbook_is_played() -> None:
    assert {each.playbook for each in SCENARIOS} == set(SHIPPED)


@pytest.mark.parametrize("slug", SHIPPED)
def test_a_shipped_playbook_names_what_it_answers_and_by_which_countermeasure(slug: str) -> None:
    playbook = check(text_of(slug), actions()).playbook
    assert playbook is not None
    assert [each for each in playbook.references if each.startswith("T")]
    assert [each for each in playbook.references if each.startswith("D3-")]
