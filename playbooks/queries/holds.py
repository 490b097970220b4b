"""Holds: what is held now, since when, by whom and why, and what a hold would keep from going on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from playbooks import access
from playbooks.domain.statuses import RUN_ENDED, StepStatus, WaitReason
from playbooks.models import Connection, Hold, HoldScope, Playbook, Principal, Run, Step
from playbooks.queries import references
from playbooks.queries.references import Person


@dataclass(frozen=True, slots=True)
class HoldView:
    """`name` is that of the playbook or the connection, empty for everything; `label` says it for people."""

    id: UUID
    scope: str
    name: str
    label: str
    reason: str
    placed_by: Person | None
    placed_at: datetime
    released_by: Person | None
    released_at: datetime | None


@dataclass(frozen=True, slots=True)
class Holdable:
    """What can be held. `is_held`: it is already."""

    scope: str
    name: str
    label: str
    is_held: bool

    @property
    def value(self) -> str:
        """As the choice of a form."""
        return f"{self.scope}:{self.name}"


@dataclass(frozen=True, slots=True)
class Reach:
    """What a hold meets: runs that have not ended, and steps of them that are being performed and will end."""

    runs: int
    performed: int


def holds(person: Principal) -> QuerySet[Hold]:
    """For whoever may see runs: every hold of everything and of what is within their reach, the newest first."""
    rows = Hold.objects.all() if access.may(person, "see_run") else Hold.objects.none()
    playbooks = access.within_reach(person, Playbook.objects.all())
    connections = access.within_reach(person, Connection.objects.all())
    rows = rows.filter(
        Q(scope=HoldScope.EVERYTHING) | Q(playbook__in=playbooks) | Q(connection__in=connections)
    )
    about = ("playbook", "connection", "placed_by", "released_by")
    return rows.select_related(*about).order_by("-placed_at", "-pk")


def in_force(person: Principal) -> QuerySet[Hold]:
    return holds(person).filter(released_at__isnull=True)


def concerning(person: Principal, *, playbook: str = "", run: UUID | None = None) -> list[HoldView]:
    """Those in force that concern whoever looks at a playbook or a run; of everything they always do."""
    covers = Q(scope=HoldScope.EVERYTHING) | Q(playbook__slug=playbook, playbook__isnull=False)
    if run is not None:
        held_back = Step.objects.filter(run=run, status=StepStatus.WAITING, wait_reason=WaitReason.HOLD)
        covers |= Q(playbook__versions__runs=run) | Q(connection__in=held_back.values("connection"))
    return [view(each) for each in in_force(person).filter(covers).distinct()]


def view(hold: Hold) -> HoldView:
    name = hold.playbook.slug if hold.playbook else hold.connection.name if hold.connection else ""
    return HoldView(
        id=hold.pk,
        scope=hold.scope,
        name=name,
        label=_label(hold.scope, str(hold.playbook or name)),
        reason=hold.reason,
        placed_by=references.person(hold.placed_by),
        placed_at=hold.placed_at,
        released_by=references.person(hold.released_by),
        released_at=hold.released_at,
    )


def holdables(person: Principal) -> list[Holdable]:
    """Everything, then each playbook and each connection that the person may see, by name."""
    held = {(each.scope, each.name) for each in map(view, in_force(person))}
    playbooks = access.visible(person, "see_playbook", Playbook.objects.all()).order_by("title")
    connections = access.visible(person, "see_connection", Connection.objects.all()).order_by("name")
    rows = [
        (HoldScope.EVERYTHING, "", ""),
        *((HoldScope.PLAYBOOK, each.slug, str(each)) for each in playbooks),
        *((HoldScope.CONNECTION, each.name, each.name) for each in connections),
    ]
    return [
        Holdable(scope.value, name, _label(scope, title), (scope.value, name) in held)
        for scope, name, title in rows
    ]


def reach(scope: str, name: str) -> Reach:
    """How much there is now that a hold would keep from beginning more. For a connection, all runs count: which of
    them will use it is known only when they do.
    """
    runs = Run.objects.exclude(status__in=RUN_ENDED)
    performed = Step.objects.filter(status=StepStatus.RUNNING)
    if scope == HoldScope.PLAYBOOK:
        runs = runs.filter(version__playbook__slug=name)
        performed = performed.filter(run__version__playbook__slug=name)
    elif scope == HoldScope.CONNECTION:
        performed = performed.filter(attempts__connection__name=name, attempts__status="running")
    return Reach(runs.count(), performed.count())


def _label(scope: str, title: str) -> str:
    if scope == HoldScope.EVERYTHING:
        return "Everything"
    return f"{'Playbook' if scope == HoldScope.PLAYBOOK else 'Connection'} {title}"
