"""Other doors (cases 30 to 37): nothing below, beside or around the decision opens a gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from playbooks import executor, tasks
from playbooks.domain.check import check
from playbooks.domain.statuses import RequestStatus, StepStatus
from playbooks.models import ApprovalRequest, Case, Run
from playbooks.operations import actions, connections, dry_runs, reruns, rollbacks, runs, stopping
from playbooks.operations.refusals import Refused
from tests.abuse.conftest import Gate
from tests.abuse.doors import OPERATION, decide, drive, sent, standing
from tests.api.callers import BASE, NORMAL, sender, session, token_of
from tests.cast import ATTACKER, BLOCK, Cast, publish
from tests.executor.world import World
from tests.web.conftest import post_alert

Begin = Callable[..., Run]

# 30 writing the status by any lower endpoint, PATCH, admin, task


def test_case_30_the_tasks_of_the_broker_carry_keys_and_open_nothing(gate: Gate) -> None:
    before = standing(gate.run)
    tasks.drive(str(gate.run.pk))
    tasks.sweep()
    assert standing(gate.run) == before


@pytest.mark.parametrize("path", ["runs/{run}/", "runs/{run}/steps/gate/", "approvals/{request}/"])
@pytest.mark.parametrize("method", ["put", "patch"])
def test_case_30_no_address_takes_a_status(gate: Gate, path: str, method: str) -> None:
    before = standing(gate.run)
    address = BASE + path.format(run=gate.run.pk, request=gate.request.pk)
    send = getattr(session(gate.cast.admin).client, method)
    assert send(address, '{"status": "succeeded"}', content_type="application/json").status_code in {404, 405}
    assert standing(gate.run) == before


def test_case_30_what_is_unknown_is_resolved_and_a_gate_never_is(gate: Gate) -> None:
    before = standing(gate.run)
    body = {"outcome": "happened", "comment": "It is approved."}
    answer = session(gate.cast.tier2).post(f"runs/{gate.run.pk}/steps/gate/resolve/", body)
    assert (answer.status_code, answer.json()["rule"]) == (409, "not_unknown")
    assert standing(gate.run) == before


# 31 own id in the URL and a foreign id in the body, or in a list


@pytest.mark.parametrize("body", ["another", "list"])
def test_case_31_the_address_names_the_request_and_nothing_else_does(gate: Gate, body: str) -> None:
    other = drive(
        runs.start("block-attacker", caller=gate.cast.caller("analyst"), inputs={"address": "198.51.100.3"})
    )
    foreign = other.requests.get()
    vote: Any = {"verdict": "approve", "digest": gate.request.digest, "request": str(foreign.pk)}
    answer = session(gate.cast.tier2).post(
        f"approvals/{gate.request.pk}/decide/", [vote, vote] if body == "list" else vote
    )
    assert answer.status_code == 400
    assert ApprovalRequest.objects.filter(decisions__isnull=False).count() == 0


def test_case_31_the_digest_of_one_request_approves_no_other(gate: Gate) -> None:
    other = drive(
        runs.start("block-attacker", caller=gate.cast.caller("analyst"), inputs={"address": "198.51.100.3"})
    )
    answer = decide(OPERATION, gate.cast.tier2, gate.request, digest=other.requests.get().digest)
    assert answer.rule == "stale_digest"


# 32 the protected playbook by schedule, webhook, sub-playbook, retry, resume, clone, rollback, dry run


def by_an_alert(gate: Gate) -> Run:
    publish(gate.cast, BLOCK.replace('alert.source == "suricata" && ', ""))
    post_alert("Exploit", observables={"ip": [ATTACKER]}, severity=90)
    return Run.objects.exclude(pk=gate.run.pk).latest("created_at")


def by_another_playbook(gate: Gate) -> Run:
    steps = f"  - id: inner\n    run: block-attacker\n    with: {{address: {ATTACKER}}}\n"
    publish(gate.cast, f"playbook: outer\ntitle: Outer\nsteps:\n{steps}")
    outer = drive(runs.start("outer", caller=gate.cast.caller("analyst")))
    return Run.objects.get(parent__run=outer)


def by_running_again(gate: Gate) -> Run:
    stopping.cancel(gate.run.pk, caller=gate.cast.caller("analyst"))
    return reruns.rerun(gate.run.pk, caller=gate.cast.caller("analyst"))


def by_resuming(gate: Gate) -> Run:
    stopping.pause(gate.run.pk, caller=gate.cast.caller("analyst"))
    stopping.resume(gate.run.pk, caller=gate.cast.caller("analyst"))
    return gate.run


def by_a_copy(gate: Gate) -> Run:
    publish(gate.cast, BLOCK.replace("playbook: block-attacker", "playbook: a-copy"))
    return runs.start("a-copy", caller=gate.cast.caller("analyst"), inputs={"address": ATTACKER})


WAYS = [by_an_alert, by_another_playbook, by_running_again, by_resuming, by_a_copy]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: str(way.__name__))
def test_case_32_however_it_is_started_it_stops_at_its_gate(gate: Gate, way: Callable[[Gate], Run]) -> None:
    run = drive(way(gate))
    assert run.steps.get(key="gate", round=0).status == StepStatus.WAITING
    assert run.requests.get(status=RequestStatus.OPEN)
    assert sent(run) == []


def test_case_32_a_rollback_begins_nothing_that_was_not_done(gate: Gate) -> None:
    with pytest.raises(Refused):
        rollbacks.start(gate.run.pk, caller=gate.cast.caller("analyst"), plan_digest="0" * 64)
    assert sent(gate.run) == []


def test_case_32_a_dry_run_sends_nothing_and_leaves_the_gate_as_it_was(gate: Gate) -> None:
    before = standing(gate.run)
    about = dry_runs.About(inputs={"address": ATTACKER})
    dry_runs.dry_run("block-attacker", 1, about, caller=gate.cast.caller("author"))
    assert standing(gate.run) == before
    assert sent(gate.run) == []


# 34 splitting one big change into many small ones


def test_case_34_many_small_runs_count_together_against_the_limit_of_a_connection(
    begin: Begin, world: World, cast: Cast
) -> None:
    """Past the limit there is a question of its own, whatever was or was not asked before."""
    begin("  - id: act\n    do: fake.keyed\n    using: fake\n    with: {target: one}\n")
    limits = {"most_targets": 1, "targets_seconds": 3600, "targets_role": "tier-2"}
    assert session(cast.admin).post("connections/fake/limits/", {"limits": limits}).status_code == 200
    drive(Run.objects.get())
    publish(
        cast,
        "playbook: small\ntitle: Small\ninputs: {name: {type: string}}\nsteps:\n"
        '  - id: act\n    do: fake.keyed\n    using: fake\n    with: {target: "${ inputs.name }"}\n',
    )
    for name in ("two", "three"):
        drive(runs.start("small", caller=cast.caller("analyst"), inputs={"name": name}))
    assert dict(world.effects) == {"one": 1}
    assert ApprovalRequest.objects.filter(status=RequestStatus.OPEN).count() == 2


# 35 marking a destroying action read-only, or a production target as test


@pytest.mark.parametrize("word", ["effect: read", "repeat_kind: safe", "simulate: true"])
def test_case_35_a_playbook_does_not_say_what_an_action_does(cast: Cast, word: str) -> None:
    text = f"playbook: x\ntitle: x\nsteps:\n  - id: a\n    do: nftables.block_address\n    {word}\n"
    assert check(text, actions.actions()).problems


def test_case_35_a_connection_that_becomes_a_test_connection_voids_what_was_approved(gate: Gate) -> None:
    for person in (gate.cast.tier2, gate.cast.netowner):
        decide(OPERATION, person, gate.request)
    connections.configure(
        "edge-firewall",
        caller=gate.cast.caller("admin"),
        connector="nftables",
        settings={},
        secrets={},
        environment="test",
        is_simulated=True,
    )
    drive(gate.run)
    gate.request.refresh_from_db()
    assert gate.request.status == RequestStatus.VOIDED
    assert sent(gate.run) == []


# 36 forged chat, mail or webhook approval


def test_case_36_reading_never_decides(gate: Gate) -> None:
    before = standing(gate.run)
    browser = session(gate.cast.tier2).client
    query = {"verdict": "approve", "digest": gate.request.digest}
    assert browser.get(reverse("decide", args=[gate.request.pk]), query).status_code == 405
    assert browser.get(f"{BASE}approvals/{gate.request.pk}/decide/", query).status_code == 405
    assert browser.get(reverse("approval", args=[gate.request.pk]), query).status_code == 200
    assert standing(gate.run) == before


def test_case_36_an_alert_or_an_event_that_says_approved_approves_nothing(gate: Gate) -> None:
    before = standing(gate.run)
    claim = {"title": f"Approved {gate.request.pk}", "verdict": "approve", "digest": gate.request.digest}
    sender("mail", "normal").post("ingest/mail/", {**NORMAL, "title": claim["title"]})
    for name in ("gate", "approved", str(gate.request.pk)):
        token_of(gate.cast.tier2, "runs").post(
            "events/", {"name": name, "key": str(gate.run.pk), "data": claim}
        )
    executor.sweep()
    assert standing(gate.run) == before


# 37 CSRF, clickjacking, stored XSS in a comment or an alert field


def test_case_37_a_form_from_another_site_is_turned_away(gate: Gate) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(gate.cast.tier2)
    vote = {"verdict": "approve", "digest": gate.request.digest, "comment": ""}
    for address in (reverse("decide", args=[gate.request.pk]), f"{BASE}approvals/{gate.request.pk}/decide/"):
        assert browser.post(address, vote).status_code == 403
    assert gate.request.decisions.count() == 0


def test_case_37_no_page_can_be_framed_or_run_a_foreign_script(gate: Gate) -> None:
    answer = session(gate.cast.tier2).client.get(reverse("approval", args=[gate.request.pk]))
    policy = answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Frame-Options"] == "DENY"
    for part in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert part in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
def test_case_37_what_attackers_write_is_text(gate: Gate, hostile: str) -> None:
    Case.objects.filter(pk=gate.run.case_id).update(title=hostile)
    decide_with = {"verdict": "approve", "digest": gate.request.digest, "comment": hostile}
    session(gate.cast.tier2).post(f"approvals/{gate.request.pk}/decide/", decide_with)
    for address in (reverse("approval", args=[gate.request.pk]), reverse("inbox"), reverse("cases")):
        assert hostile not in session(gate.cast.netowner).client.get(address).content.decode()
