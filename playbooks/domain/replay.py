"""Replays the approvals that a run's entries record: the same facts must lead to the same verdicts again.

Fed with the entries of one stream in their order; a `ContradictionError` says what does not hold. Standard
library only: this module is part of the offline verifier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from playbooks.domain.break_glass import GlassFacts, ReviewFacts, glass_denials, review_denials
from playbooks.domain.duties import denials, is_quorum
from playbooks.domain.duty_facts import CONSENTS, Facts
from playbooks.domain.entries import Body
from playbooks.domain.policies.policy_replay import Leaves, unmet_policy
from playbooks.domain.replayed_requests import (
    Request,
    as_canonical,
    digest_of_text,
    read_canonical,
    shown_by_step,
)

IN_FORCE = frozenset({"granted", "passed", "consumed"})
ENDINGS = {f"request.{status}": status for status in ("denied", "expired", "voided", "withdrawn")}
GRAVE = frozenset({"change", "destroy"})


class ContradictionError(ValueError):
    """What the entries record cannot have happened under the rules; the text is a sentence that says why."""


@dataclass(slots=True)
class Replay:
    """The approvals of one run. The counters are what was replayed."""

    requests: dict[str, Request] = field(default_factory=dict)
    requesters: dict[str, str] = field(default_factory=dict)
    leaves: Leaves = field(default_factory=Leaves)  # what ran before anybody was asked
    decisions: int = 0
    refusals: int = 0
    approved_actions: int = 0
    self_confirmed_actions: int = 0  # that one person alone confirmed, under the profile solo
    profiles: set[str] = field(default_factory=set)  # under which requests were opened
    passed_actions: int = 0  # that ran past a gate by break-glass
    provisional_actions: int = 0  # that ran before anybody was asked
    other_actions: int = 0  # that change something and that no gate asked about

    def feed(self, entry: Body) -> None:
        """Takes the next entry. Raises ContradictionError."""
        of_glass = {"request.passed": self._pass, "break_glass.reviewed": self._review}
        try:
            of_glass.get(entry.verb, self._feed)(entry)
        except ContradictionError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise ContradictionError(
                "It lacks a fact that is needed to replay it, or has a malformed one."
            ) from error

    def finish(self) -> None:
        for name, request in self.requests.items():
            _require(
                not (request.has_quorum and request.status == "open"),
                f"The request {name} has its quorum, and no entry says that it was granted.",
            )
        for step in self.leaves.not_asked():
            _require(False, f"The step {step} ran provisionally, and nobody was asked to countersign it.")

    def _feed(self, entry: Body) -> None:
        facts = entry.facts
        self.leaves.feed(entry.verb, facts)
        match entry.verb:
            case "run.started" | "question.answered":
                self._ask(entry)
            case "request.opened":
                self._open(facts)
            case "decision.made" | "decision.withdrawn" | "decision.refused" as verb:
                self._take(verb, entry)
            case "request.granted":
                self._grant(facts)
            case "request.escalated":
                self._request(facts).also = list(facts.get("to") or self._request(facts).also)
            case "request.consumed":
                self._consume(entry)
            case "step.claimed":
                self._claim(facts)
            case "expiry.dropped":
                stands = any(self._stands(each, facts["step"]) for each in self.requests.values())
                _require(stands, f"What {facts['step']} did is left to stand, and nobody countersigned it.")
            case verb if verb in ENDINGS:
                self._end(facts, ENDINGS[verb])

    def _take(self, verb: str, entry: Body) -> None:
        """What a person did about a request."""
        takes = {"made": self._decide, "withdrawn": self._withdraw, "refused": self._refuse}
        takes[verb.removeprefix("decision.")](entry)

    def _ask(self, entry: Body) -> None:
        """Whoever sets what is to run counts as requester from then on."""
        if entry.verb == "run.started":
            self.requesters = dict(entry.facts.get("requesters", {}))
        else:
            self.requesters[entry.actor_id] = entry.actor_label

    def _request(self, facts: Mapping[str, Any]) -> Request:
        found = self.requests.get(facts["request"])
        if found is None:
            raise ContradictionError(
                f"It names the request {facts['request']}, which was never opened in this run."
            )
        return found

    def _open(self, facts: Mapping[str, Any]) -> None:
        """The digest must be that of the subject, and whoever asked for the run counts as requester."""
        subject, digest = facts["subject"], facts["digest"]
        seats = [seat["role"] for seat in facts["seats"]]
        _require(facts["request"] not in self.requests, "The same request is opened twice.")
        _require(digest_of_text(subject) == digest, "The digest of the request is not that of what it shows.")
        _require(
            set(self.requesters) <= set(facts["requesters"]),
            "Whoever asked for the run is not among its requesters.",
        )
        shown: dict[str, Any] = read_canonical(subject) if isinstance(subject, str) else {"covered": None}
        if isinstance(subject, str):
            _require(shown["profile"] == facts["profile"], "The profile is not the one that was shown.")
            _require(shown["seats"] == seats, "The seats are not those that were shown.")
            unmet = unmet_policy(shown.get("policies", {}), [seats])
            _require(not unmet, f"The policy {unmet} asks for more seats than the request has.")
            covered = [item["step"] for item in shown["covered"]]
            _require(covered == list(facts["covered"]), "The covered steps are not those that were shown.")
        self.profiles.add(facts["profile"])
        self.requests[facts["request"]] = Request(
            gate=facts["step"],
            digest=digest,
            seats=seats,
            covered=shown_by_step(shown["covered"]),
            not_covered=frozenset(shown.get("not_covered", ())),
            requesters=facts["requesters"],
            authors=facts["authors"],
            profile=facts["profile"],
            denials_to_end=facts.get("denials_to_end", 1),
            deciders=set(facts.get("denied_before", ())),
            through=facts["through"],
        )

    def _decide(self, entry: Body) -> None:
        request, facts = self._request(entry.facts), Facts.from_json(entry.facts["duty_facts"])
        forbidden = denials(facts)
        _require(
            not forbidden,
            "The duty rules forbid this decision: " + " ".join(each.sentence for each in forbidden),
        )
        self._compare(request, entry, facts)
        _require(facts.status == request.status, f"The request was {request.status}, and not {facts.status}.")
        _require(
            facts.current_digest == request.digest, "It was decided on another subject than the request's."
        )
        # As sets: the facts are in the order of clocks, which differ between machines, the entries in their own.
        _require(
            set(facts.approvals) == request.approvers, "The approvals so far are not those that were made."
        )
        _require(facts.denied == request.deniers, "The denials so far are not those that were made.")
        _require(facts.deciders == request.deciders, "Those who decided before are not those who did.")
        self.decisions += 1
        request.deciders.add(facts.decider.id)
        _require(
            facts.verdict == "deny" or (facts.verdict == "confirm") == (facts.profile == "solo"),
            "What one person alone confirmed is called approved, or the other way round.",
        )
        (request.approvers if facts.verdict in CONSENTS else request.deniers).add(facts.decider.id)
        if facts.verdict in CONSENTS:
            request.has_quorum = is_quorum(facts)

    def _withdraw(self, entry: Body) -> None:
        """Who has decided takes it back while the request is open; that they decided is not forgotten."""
        request, person = self._request(entry.facts), entry.actor_id
        _require(request.status == "open", f"A decision on a request that is {request.status} is withdrawn.")
        _require(
            person in request.approvers | request.deniers,
            "A decision is withdrawn that was not made, or not by who withdraws it.",
        )
        _require(not request.has_quorum, "A decision is withdrawn after the quorum was complete.")
        request.approvers.discard(person)
        request.deniers.discard(person)

    def _end(self, facts: Mapping[str, Any], status: str) -> None:
        request = self._request(facts)
        _require(
            status != "denied" or len(request.deniers) >= request.denials_to_end,
            "The request is denied by fewer people than it takes.",
        )
        request.status = status

    def _refuse(self, entry: Body) -> None:
        """The rules must say no again, with the same sentences. What was refused before any facts has
        none.
        """
        if entry.facts["duty_facts"] is None:
            return
        request, facts = self._request(entry.facts), Facts.from_json(entry.facts["duty_facts"])
        self._compare(request, entry, facts)
        again = [{"rule": each.rule, "sentence": each.sentence} for each in denials(facts)]
        _require(bool(again), "The duty rules allow this decision, but it was refused.")
        _require(again == entry.facts["denials"], "The duty rules refuse this decision for other reasons.")
        _require(again[0]["rule"] == entry.facts["rule"], "The first rule that refuses is another one.")
        self.refusals += 1

    def _compare(self, request: Request, entry: Body, facts: Facts) -> None:
        """The facts that the rules were evaluated on must be those of the request and of the entry."""
        _require(facts.decider.id == entry.actor_id, "The decider of the facts is not who decided.")
        _require(facts.verdict == entry.facts["verdict"], "The verdict of the facts is another one.")
        _require(facts.shown_digest == entry.facts["digest"], "The digest of the facts is another one.")
        _require(
            [seat.role for seat in facts.seats] == request.seats, "The seats are not those of the request."
        )
        _require(
            all([each.role for each in seat.also] == request.also for seat in facts.seats),
            "The seats have gone on to others than those whom the entries name.",
        )
        _require(facts.requesters == request.requesters, "The requesters are not those of the request.")
        _require(facts.profile == request.profile, "The profile is not that of the request.")
        _require(
            facts.denials_to_end == request.denials_to_end, "It takes another number of denials to end it."
        )
        _require(facts.authors == request.authors, "The authors are not those of the request.")
        _require(
            facts.through == request.through, "Those through whom it began are not those of the request."
        )

    def _grant(self, facts: Mapping[str, Any]) -> None:
        request = self._request(facts)
        _require(request.status == "open", f"A request that is {request.status} is granted.")
        _require(request.has_quorum, "The request is granted without its quorum.")
        _require(
            len(request.deniers) < request.denials_to_end,
            "The request is granted although as many denied it as it takes.",
        )
        _require(
            sorted(facts["approvers"]) == sorted(request.approvers),
            "The approvers are not those who approved.",
        )
        _require(facts["digest"] == request.digest, "Another digest is granted than was decided on.")
        request.status = "granted"

    def _pass(self, entry: Body) -> None:
        """The rules of break-glass must say yes again: to this person, over this digest, for this time."""
        request, facts = self._request(entry.facts), GlassFacts.from_json(entry.facts["glass_facts"])
        forbidden = glass_denials(facts)
        _require(
            not forbidden,
            "The rules forbid this break-glass: " + " ".join(each.sentence for each in forbidden),
        )
        _require(facts.holder == entry.actor_id, "Somebody else broke the glass than the facts say.")
        _require(request.status == "open", f"A request that is {request.status} is passed.")
        _require(
            request.digest == facts.current_digest == entry.facts["digest"],
            "Another digest is passed than was asked about.",
        )
        _require(facts.reason == entry.facts["reason"], "The reason is not that of the facts.")
        lasts = datetime.fromisoformat(entry.facts["until"]) - datetime.fromisoformat(entry.occurred_at)
        _require(lasts == timedelta(minutes=facts.minutes), "It was passed for longer than the facts say.")
        request.status, request.glass, request.until = "passed", facts, entry.facts["until"]

    def _review(self, entry: Body) -> None:
        request, facts = self._request(entry.facts), ReviewFacts.from_json(entry.facts["review_facts"])
        _require(request.glass is not None, "What nobody has passed is reviewed.")
        _require(facts.reviewer == entry.actor_id, "Somebody else reviewed it than the facts say.")
        forbidden = review_denials(facts)
        _require(
            not forbidden, "The rules forbid this review: " + " ".join(each.sentence for each in forbidden)
        )
        if request.glass is not None:
            users = {each for each in (request.glass.holder, request.glass.second) if each}
            _require(users <= facts.users, "Those who broke the glass are not among the users.")
        hands = {*request.requesters, *request.authors, *request.through}
        _require(hands <= {*facts.influential, *facts.users}, "Somebody with a hand in it is left out.")

    def _consume(self, entry: Body) -> None:
        facts, request = entry.facts, self._request(entry.facts)
        _require(request.status in IN_FORCE, f"A request that is {request.status} is used.")
        _require(facts["digest"] == request.digest, "Another digest is used than was granted.")
        _require(request.covers(facts["step"]), f"The step {facts['step']} is not covered by the request.")
        if request.status == "passed":
            _require(entry.occurred_at < request.until, "The time of the break-glass was over.")
            request.begun.add(facts["step"])
            return
        request.status = "consumed"

    def _claim(self, facts: Mapping[str, Any]) -> None:
        """What changes something needs each request that covers it in force, over the digest that it
        names.
        """
        if facts["effect"] == "read":
            return
        named, step = facts["subject_digests"], facts["step"]
        for digest in named:
            usable = any(
                each.digest == digest and each.status in IN_FORCE and each.covers(step)
                for each in self.requests.values()
            )
            _require(
                usable,
                f"The step {step} ran under the digest {digest[:16]}…, for which no granted request stands.",
            )
        self._require_what_policies_asked(facts)
        if facts["round"] == 0 and facts["effect"] in GRAVE:
            self._require_every_gate(step, named)
        self._require_the_same(facts)
        is_passed = self._require_begun(step, named)
        alone = any(each.digest in named and each.profile == "solo" for each in self.requests.values())
        self.passed_actions += is_passed
        self.self_confirmed_actions += alone and not is_passed
        self.approved_actions += bool(named) and not is_passed and not alone
        is_provisional = bool(facts.get("provisional"))
        self.provisional_actions += is_provisional
        self.other_actions += not named and not is_provisional

    def _stands(self, request: Request, step: str) -> bool:
        return request.gate == step and request.status == "granted"

    def _require_what_policies_asked(self, facts: Mapping[str, Any]) -> None:
        """Each policy is met by one of the requests, or the step ran under what lets it run beforehand."""
        step = facts["step"]
        if self.leaves.is_claimed_under(facts):
            unsaid = self.leaves.unsaid(facts)
            _require(not unsaid, f"The step {step} ran under {unsaid}, and no entry says so.")
            is_change = not facts.get("provisional") or facts["effect"] == "change"
            _require(is_change, f"The step {step} ran provisionally, and is no change that can be undone.")
            return
        named = [each for each in self.requests.values() if each.digest in facts["subject_digests"]]
        unmet = unmet_policy(facts.get("policies", {}), [each.seats for each in named])
        _require(
            not unmet, f"The step {step} ran although the policy {unmet} asks for seats that nobody filled."
        )

    def _require_begun(self, step: str, named: list[str]) -> bool:
        """Whether the step ran past a gate by break-glass, in its time."""
        passed = [each for each in self.requests.values() if each.digest in named and each.status == "passed"]
        for request in passed:
            _require(step in request.begun, f"The step {step} did not begin in the time of the break-glass.")
        return bool(passed)

    def _require_every_gate(self, step: str, named: list[str]) -> None:
        latest = {each.gate: each for each in self.requests.values()}
        for request in latest.values():
            _require(
                not request.hides(step), f"The step {step} ran, and its request at {request.gate} hid it."
            )
            if request.covered is not None and step in request.covered:
                # A step that asked for itself may have become one that need not ask.
                is_named = request.digest in named or request.gate == step
                _require(
                    request.status in IN_FORCE and is_named,
                    f"The step {step} ran although its request at {request.gate} is {request.status}.",
                )

    def _require_the_same(self, facts: Mapping[str, Any]) -> None:
        """What ran is what was approved: the action, where, and with which parameters."""
        for request in self.requests.values():
            if request.digest in facts["subject_digests"] and request.covered is not None:
                shown = request.covered[facts["step"]]
                same = (
                    shown["action"] == facts["action"]
                    and shown["connection"]["name"] == facts["connection"]
                    and shown["connection"]["revision"] == facts["connection_revision"]
                    and shown["simulated"] == facts["simulated"]
                    and digest_of_text(as_canonical(shown["parameters"])) == facts["parameters_digest"]
                )
                _require(same, f"The step {facts['step']} ran otherwise than was approved.")


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise ContradictionError(sentence)
