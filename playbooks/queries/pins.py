"""The playbooks that a version runs: what it has pinned, or would pin if it were published now."""

from __future__ import annotations

from playbooks.domain.pins import Pins, call_findings, calls_in, pins_of
from playbooks.domain.statuses import VersionStatus
from playbooks.models import PlaybookVersion

UNPUBLISHED = frozenset({VersionStatus.DRAFT.value, VersionStatus.IN_REVIEW.value})


def pins_or_now(version: PlaybookVersion) -> Pins:
    if version.status not in UNPUBLISHED:
        pinned: Pins = version.pins
        return pinned
    return pins_of(version.document, _in_force(version))


def problems_now(version: PlaybookVersion) -> tuple[str, ...]:
    """Why a version that is not published could not be published now, as sentences that name the step."""
    if version.status not in UNPUBLISHED:
        return ()
    return tuple(each.message for each in call_findings(version.document, _in_force(version)))


def _in_force(version: PlaybookVersion) -> dict[str, PlaybookVersion]:
    slugs = {call.slug for call in calls_in(version.document)}
    rows = PlaybookVersion.objects.filter(status=VersionStatus.PUBLISHED, playbook__slug__in=slugs)
    return {row.playbook.slug: row for row in rows.select_related("playbook")} if slugs else {}
