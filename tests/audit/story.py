"""One case as the operations would record it: an alert, a run, one refused and two valid decisions."""

from __future__ import annotations

import hashlib
import io
from typing import Any

from playbooks.audit import Actor, Stream, bundle, scopes
from playbooks.audit.scopes import Scope
from playbooks.audit.sequencer import sequence_once
from playbooks.audit.signing import Signer
from playbooks.domain.canonical import canonical, digest
from playbooks.domain.duties import denials
from playbooks.domain.duty_facts import Decider, Facts
from playbooks.domain.seats import Entitlement, Seat
from playbooks.domain.verbs import Verb
from playbooks.models import Playbook, PlaybookVersion
from tests.audit.making import ANALYST, entry, write

CASE, RUN, ALERT = Stream("case", "c-1"), Stream("run", "r-1"), Stream("alert", "a-1")
TIER2, OWNER = Actor("p-tier2", "Tia Two"), Actor("p-owner", "Ned Owner")
WORKER = Actor("worker:1", "worker 1")
DOCUMENT = {"title": "Block an address", "steps": [{"id": "block"}]}
REQUESTERS = {ANALYST.id: ANALYST.label}
AUTHORS = {"p-author": "Otto Author"}
BLOCK = {
    "step": "block",
    "action": "edge.block",
    "connection": {"id": "c", "name": "edge", "revision": 1},
    "parameters": {"address": "203.0.113.9"},
    "simulated": False,
}
SUBJECT = {
    "run": "r-1",
    "seats": ["tier-2", "network-owner"],
    "profile": "team",
    "covered": [BLOCK],
    "not_covered": [],
}
TEXT = canonical(SUBJECT).decode()
DIGEST = digest(SUBJECT)


THE_CASE = scopes.case(CASE.key)


def facts(person: Actor, role: str, approvals: dict[str, str]) -> Facts:
    roles = {each: Entitlement(frozenset({held})) for each, held in approvals.items()}
    return Facts(
        decider=Decider(person.id, person.label, True, True, False, False, frozenset({role})),
        verdict="approve",
        status="open",
        seats=(Seat("tier-2"), Seat("network-owner")),
        requesters=REQUESTERS,
        authors=AUTHORS,
        approvals=roles,
        deciders=frozenset(roles),
        shown_digest=DIGEST,
        current_digest=DIGEST,
    )


def decided(person: Actor, role: str, approvals: dict[str, str]) -> dict[str, Any]:
    duty = facts(person, role, approvals)
    return {
        "request": "q-1",
        "verdict": "approve",
        "digest": DIGEST,
        "comment": "",
        "duty_facts": duty.as_json(),
    }


def refused(person: Actor, role: str) -> dict[str, Any]:
    why = denials(facts(person, role, {}))
    return {
        **decided(person, role, {}),
        "rule": why[0].rule,
        "denials": [{"rule": each.rule, "sentence": each.sentence} for each in why],
    }


def claimed(digests: list[str]) -> dict[str, Any]:
    sent = {"action": "edge.block", "connection": "edge", "connection_revision": 1, "simulated": False}
    about = {"step": "block", "round": 0, "effect": "destroy", "subject_digests": digests}
    return {**about, **sent, "parameters_digest": digest(BLOCK["parameters"])}


def opened() -> dict[str, Any]:
    return {
        "request": "q-1",
        "step": "gate",
        "digest": DIGEST,
        "subject": TEXT,
        "seats": [{"role": "tier-2"}, {"role": "network-owner"}],
        "covered": ["block"],
        "requesters": REQUESTERS,
        "authors": AUTHORS,
        "profile": "team",
        "through": {},
    }


def tell() -> None:
    """Writes the whole story, and beside it a run that belongs to nothing."""
    playbook = Playbook.objects.create(slug="block", title="Block", created_at=entry().occurred_at)
    version = digest(DOCUMENT)
    PlaybookVersion.objects.create(
        playbook=playbook,
        number=1,
        source="",
        document=DOCUMENT,
        digest=version,
        created_at=entry().occurred_at,
    )
    write(
        entry(CASE, Verb.CASE_OPENED, title="Beacon"),
        entry(ALERT, Verb.ALERT_ACCEPTED, severity=70),
        entry(CASE, Verb.ALERT_ATTACHED, alert=ALERT.key),
        entry(CASE, Verb.RUN_ATTACHED, run=RUN.key),
        entry(RUN, Verb.RUN_STARTED, version_digest=version, requesters=REQUESTERS),
        entry(Stream("run", "r-other"), Verb.RUN_ENDED),
    )
    write(entry(RUN, Verb.REQUEST_OPENED, **opened()))
    write(entry(RUN, Verb.DECISION_REFUSED, **refused(ANALYST, "tier-2")))
    write(entry(RUN, Verb.DECISION_MADE, TIER2, **decided(TIER2, "tier-2", {})))
    write(
        entry(RUN, Verb.DECISION_MADE, OWNER, **decided(OWNER, "network-owner", {TIER2.id: "tier-2"})),
        entry(RUN, Verb.REQUEST_GRANTED, OWNER, request="q-1", digest=DIGEST, approvers=[TIER2.id, OWNER.id]),
    )
    write(
        entry(RUN, Verb.REQUEST_CONSUMED, WORKER, request="q-1", step="block", digest=DIGEST),
        entry(RUN, Verb.STEP_CLAIMED, WORKER, **claimed([DIGEST])),
    )
    write(entry(RUN, Verb.STEP_SUCCEEDED, WORKER, step="block"), entry(RUN, Verb.RUN_ENDED, WORKER))


def export(signer: Signer, scope: Scope = THE_CASE, **options: Any) -> bytes:
    """The file of an export, with the sequencer run while it waits."""
    file = io.BytesIO()
    bundle.make(
        scope, file, actor=ANALYST, now=entry().occurred_at, wait=lambda: sequence_once(signer), **options
    )
    return file.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
