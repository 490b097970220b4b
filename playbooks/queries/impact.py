"""What publishing or retiring a version would do, before anybody does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count

from playbooks import access
from playbooks.domain.expressions import ExpressionError, evaluate
from playbooks.domain.statuses import RUN_ENDED, RequestStatus, VersionStatus
from playbooks.models import Alert, ApprovalRequest, Playbook, PlaybookVersion, Principal, Run
from playbooks.queries.pins import UNPUBLISHED, pins_or_now, problems_now
from playbooks.queries.playbooks import Pinned, pinned, versions

DAYS = 30
MOST_ALERTS = 2000  # the newest ones; some 10 µs each for every condition

ScopeOf = Callable[[Alert], Mapping[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlight:
    """Runs that have not ended and stay on their version. `gates` of them wait for an approval now."""

    number: int
    runs: int
    gates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedBy:
    """A version in force that runs this playbook; it stays on `pinned` until it is published again."""

    playbook: str
    title: str
    number: int
    pinned: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """How many of the alerts received in `days` days the triggers would have matched, and those in force do.

    The newest `considered` of all `alerts` were looked at. `failed`: a condition could not be evaluated, so no run.
    """

    days: int
    alerts: int
    considered: int
    matched: int
    matched_now: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """`move` is publish or retire, empty for a version that was retired. `in_force` is the number of the version in
    force now, whose triggers are `triggers_now`; `triggers` are those after the move.

    `runs` are the playbooks that it runs, `problems` are reasons why publishing would be refused. `matches` is None
    where nothing would be triggered.
    """

    playbook: str
    number: int
    move: str
    in_force: int | None
    in_flight: tuple[InFlight, ...]
    triggers: tuple[str, ...]
    triggers_now: tuple[str, ...]
    runs: tuple[Pinned, ...]
    pinned_by: tuple[PinnedBy, ...]
    matches: Matches | None
    problems: tuple[str, ...]


def impact(slug: str, number: int, person: Principal, *, now: datetime, scope_of: ScopeOf) -> Impact | None:
    """None where there is no such version or the person may not know of it.

    `scope_of` gives an alert as expressions see it.
    """
    version = versions(slug, person).filter(number=number).first()
    if version is None:
        return None
    in_force = versions(slug, person).filter(status=VersionStatus.PUBLISHED).first()
    move = _move(version)
    after, today = (_triggers(each) for each in (version if move == "publish" else None, in_force))
    return Impact(
        playbook=slug,
        number=number,
        move=move,
        in_force=in_force.number if in_force else None,
        in_flight=_in_flight(version.playbook, person),
        triggers=after,
        triggers_now=today,
        runs=pinned(pins_or_now(version)),
        pinned_by=_pinned_by(version.playbook, person),
        matches=_matches(after, today, person, now, scope_of) if after else None,
        problems=problems_now(version),
    )


def _move(version: PlaybookVersion) -> str:
    if version.status in UNPUBLISHED:
        return "publish"
    return "retire" if version.status == VersionStatus.PUBLISHED else ""


def _triggers(version: PlaybookVersion | None) -> tuple[str, ...]:
    return tuple(each["alert"] for each in version.document.get("triggers", [])) if version else ()


def _in_flight(playbook: Playbook, person: Principal) -> tuple[InFlight, ...]:
    under_way = Run.objects.filter(version__playbook=playbook).exclude(status__in=RUN_ENDED)
    visible = access.visible(person, "see_run", under_way)
    runs = dict(_counted(visible.values_list("version__number")))
    requests = ApprovalRequest.objects.filter(run__in=visible, status=RequestStatus.OPEN)
    gates = dict(_counted(requests.values_list("run__version__number")))
    return tuple(InFlight(number=each, runs=runs[each], gates=gates.get(each, 0)) for each in sorted(runs))


def _counted(numbers: object) -> Sequence[tuple[int, int]]:
    """{version number: rows} as pairs."""
    return list(numbers.annotate(rows=Count("pk")).order_by())  # type: ignore[attr-defined]  # a values_list


def _pinned_by(playbook: Playbook, person: Principal) -> tuple[PinnedBy, ...]:
    visible = access.visible(person, "see_playbook", Playbook.objects.all())
    rows = PlaybookVersion.objects.filter(
        playbook__in=visible, status=VersionStatus.PUBLISHED, pins__has_key=playbook.slug
    )
    return tuple(
        PinnedBy(
            playbook=each.playbook.slug,
            title=each.playbook.title,
            number=each.number,
            pinned=each.pins[playbook.slug]["number"],
        )
        for each in rows.select_related("playbook").defer("source", "document").order_by("playbook__slug")
    )


def _matches(
    after: Sequence[str], today: Sequence[str], person: Principal, now: datetime, scope_of: ScopeOf
) -> Matches:
    received = Alert.objects.filter(received_at__gt=now - timedelta(days=DAYS), received_at__lte=now)
    rows = access.visible(person, "see_alert", received)
    newest = list(rows.select_related("source").order_by("-received_at")[:MOST_ALERTS])
    scopes = [_scope(each, scope_of) for each in newest]
    found = [_matched(after, each) for each in scopes]
    return Matches(
        days=DAYS,
        alerts=rows.count(),
        considered=len(newest),
        matched=found.count(True),
        matched_now=sum(_matched(today, each) is True for each in scopes),
        failed=found.count(None),
    )


def _scope(alert: Alert, scope_of: ScopeOf) -> dict[str, object]:
    """As it was when the alert arrived."""
    return {"alert": scope_of(alert), "now": alert.received_at.strftime("%Y-%m-%dT%H:%M:%SZ")}


def _matched(conditions: Sequence[str], scope: Mapping[str, object]) -> bool | None:
    """None where no condition holds and at least one cannot be evaluated."""
    failed = False
    for condition in conditions:
        try:
            if evaluate(condition, scope) is True:
                return True
        except ExpressionError:
            failed = True
    return None if failed else False
