"""Who has written what a version says."""

from __future__ import annotations

from playbooks.domain.statuses import VersionStatus
from playbooks.models import PlaybookVersion, Principal


def authors_of(version: PlaybookVersion) -> dict[str, str]:
    """The authors, {id: name}, of every change since the last version that somebody else published."""
    earlier = PlaybookVersion.objects.filter(playbook=version.playbook_id, number__lt=version.number)
    reviewed = (
        earlier.filter(status__in=[VersionStatus.PUBLISHED, VersionStatus.RETIRED])
        .order_by("-number")
        .first()
    )
    since = reviewed.number if reviewed else 0
    written = PlaybookVersion.objects.filter(
        playbook=version.playbook_id, number__gt=since, number__lte=version.number, author__isnull=False
    )
    people = Principal.objects.filter(pk__in=written.values("author"))
    return {str(person.pk): str(person) for person in people.order_by("username")}
