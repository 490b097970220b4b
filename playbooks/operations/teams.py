"""Teams: made, renamed, ended; who belongs to them; and what belongs to them.

A team is known by its id. Renaming makes no second team of one, and there is no team above another
(docs/decisions/0012).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from playbooks import audit
from playbooks.audit import Actor, Entry, Stream, Subject
from playbooks.domain.duties import Denial
from playbooks.domain.verbs import Verb
from playbooks.models import Team, TeamMembership
from playbooks.operations import stepup
from playbooks.operations.caller import Caller
from playbooks.operations.objects import object_named, requests_about, requests_of_team, stream_of, subject_of
from playbooks.operations.refusals import Invalid, Missing, Refused
from playbooks.operations.rights import Blocked, Watch, person_named, require_giver, told

SLUG = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
ENDED = Denial("team_ended", "This team has ended. Make another one.")


def create(slug: str, *, caller: Caller, name: str) -> Team:
    """A new team; one that is there under this slug and name is returned as it is.

    Raises Invalid where another has the slug, also one that has ended.
    """
    caller.require("manage_people", "make teams")
    if not SLUG.fullmatch(slug) or len(slug) > 64:
        raise Invalid([("/slug", "A slug has small letters, digits and single hyphens, at most 64.")])
    with transaction.atomic(durable=True):
        now, title = timezone.now(), _name(name)
        there = Team.objects.filter(slug=slug).first()
        if there is not None and there.name == title and there.ended_at is None:
            return there
        team = _insert(Team(slug=slug, name=title, created_by=caller.principal, created_at=now))
        audit.append(_entry(team, Verb.TEAM_CREATED, caller.actor, now, {"name": title}))
    return team


def rename(slug: str, *, caller: Caller, name: str) -> Team:
    """Another name for the same team: members, what belongs to it, and its slug stay."""
    caller.require("manage_people", "rename teams")
    with transaction.atomic(durable=True):
        team, now, title = _locked(slug), timezone.now(), _name(name)
        if team.name != title:
            facts = {"name": title, "before": team.name}
            team.name = title
            team.save(update_fields=["name"])
            audit.append(_entry(team, Verb.TEAM_RENAMED, caller.actor, now, facts))
    return team


def end(slug: str, *, caller: Caller) -> tuple[Team, tuple[Blocked, ...]]:
    """Nobody belongs to it any more. What belongs to it stays so, and is out of reach until it is given elsewhere.

    Returns with it the open requests that nobody can grant any more.
    """
    caller.require("manage_people", "end teams")
    with transaction.atomic(durable=True):
        team, now = _locked(slug), timezone.now()
        watch = Watch(requests_of_team(team.pk))
        ended = {"ended_at": now, "ended_by": caller.principal}
        members = TeamMembership.objects.filter(team=team).update(**ended)
        Team.objects.filter(pk=team.pk).update(**ended)
        blocked = watch.blocked()
        facts = {"members": members, **told(blocked)}
        audit.append(_entry(team, Verb.TEAM_ENDED, caller.actor, now, facts))
    team.refresh_from_db()
    return team, blocked


def add(slug: str, username: str, *, caller: Caller) -> TeamMembership:
    """Takes somebody into the team; who is in it already stays as they are. Nobody takes in themselves, and it takes a
    proof of the last five minutes.
    """
    caller.require("manage_people", "take people into teams")
    with transaction.atomic(durable=True):
        team, person, now = _locked(slug), person_named(username), timezone.now()
        proof = require_giver(caller, [person.pk])
        membership, is_new = TeamMembership.objects.get_or_create(
            team=team, principal=person, defaults={"granted_by": caller.principal, "granted_at": now}
        )
        if is_new:
            facts = {"person": str(person.pk), "name": str(person), **stepup.told(proof)}
            audit.append(_entry(team, Verb.TEAM_JOINED, caller.actor, now, facts))
    return membership


def remove(slug: str, username: str, *, caller: Caller) -> tuple[Blocked, ...]:
    """Takes somebody out of the team. Returns the open requests that nobody can grant any more."""
    caller.require("manage_people", "take people out of teams")
    with transaction.atomic(durable=True):
        team, now = _locked(slug), timezone.now()
        held = TeamMembership.objects.select_related("principal").filter(
            team=team, principal__username=username
        )
        membership = held.first()
        if membership is None:
            raise Missing(f"{username} is not in the team {team}.")
        watch = Watch(requests_of_team(team.pk))
        held.update(ended_at=now, ended_by=caller.principal)
        blocked, person = watch.blocked(), membership.principal
        facts = {"person": str(person.pk), "name": str(person), **told(blocked)}
        audit.append(_entry(team, Verb.TEAM_LEFT, caller.actor, now, facts))
    return blocked


def assign(kind: str, key: str, *, caller: Caller, team: str) -> tuple[Blocked, ...]:
    """Gives a case, playbook, connection or source to a team; back to everybody for an empty one.

    Whoever works on a case may hand it on. Returns the open requests that nobody can grant any more.
    """
    caller.require("work_case" if kind == "case" else "manage_people", "give this to a team")
    with transaction.atomic(durable=True):
        row, now = object_named(kind, key, caller=caller), timezone.now()
        to = _locked(team) if team else None
        watch, before = Watch(requests_about(row)), row.team
        row.team = to
        row.save(update_fields=["team"])
        blocked = watch.blocked()
        facts = {"team": to.slug if to else "", "before": before.slug if before else "", **told(blocked)}
        audit.append(
            Entry(
                stream=stream_of(row),
                verb=Verb.TEAM_ASSIGNED,
                actor=caller.actor,
                subject=subject_of(row),
                outcome="done",
                facts=facts,
                occurred_at=now,
            )
        )
    return blocked


def _locked(slug: str) -> Team:
    """Raises Missing, and Refused for one that has ended."""
    team = Team.objects.select_for_update().filter(slug=slug).first()
    if team is None:
        raise Missing(f"There is no team {slug}.")
    if team.ended_at is not None:
        raise Refused(ENDED)
    return team


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name or len(name) > 120:
        raise Invalid([("/name", "A team has a name of at most 120 characters.")])
    return name


def _insert(team: Team) -> Team:
    try:
        with transaction.atomic():
            team.save(force_insert=True)
    except IntegrityError:
        raise Invalid([("/slug", f"The slug {team.slug} was given before; choose another one.")]) from None
    return team


def _entry(team: Team, verb: Verb, actor: Actor, now: datetime, facts: Mapping[str, object]) -> Entry:
    return Entry(
        stream=Stream("team", str(team.pk)),
        verb=verb,
        actor=actor,
        subject=Subject("team", str(team.pk), str(team)),
        outcome="done",
        facts={"slug": team.slug, **facts},
        occurred_at=now,
    )
