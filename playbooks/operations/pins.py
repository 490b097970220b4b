"""What a version would pin if it were published now, and why it cannot."""

from __future__ import annotations

from typing import Any

from playbooks.domain.pins import call_findings, calls_in, pins_of
from playbooks.domain.problems import Problem
from playbooks.domain.reader import read_yaml
from playbooks.domain.statuses import VersionStatus
from playbooks.models import PlaybookVersion
from playbooks.operations.refusals import Unsound


def pins_now(version: PlaybookVersion) -> dict[str, dict[str, Any]]:
    """The pins of the version (domain/pins.py). Raises Unsound with each step that runs what it cannot."""
    in_force = in_force_of(version)
    findings = list(call_findings(version.document, in_force))
    if findings:
        text = read_yaml(version.source)
        places = {True: text.place_of_key, False: text.place}
        problems = (Problem(*places[each.at_key](each.path), each.message) for each in findings)
        raise Unsound(tuple(sorted(problems)))
    return pins_of(version.document, in_force)


def in_force_of(version: PlaybookVersion) -> dict[str, PlaybookVersion]:
    """The versions in force of the playbooks that the version runs, by slug."""
    slugs = {call.slug for call in calls_in(version.document)}
    rows = PlaybookVersion.objects.filter(status=VersionStatus.PUBLISHED, playbook__slug__in=slugs)
    return {row.playbook.slug: row for row in rows.select_related("playbook")}
