"""Who has written what a version says."""

from __future__ import annotations

from django.db.models import Q

from playbooks.domain.canonical import digest
from playbooks.domain.statuses import VersionStatus
from playbooks.models import PlaybookVersion, Principal

REVIEWED = [VersionStatus.PUBLISHED, VersionStatus.RETIRED]


def authors_of(version: PlaybookVersion) -> dict[str, str]:
    """The authors, {id: name}, of every change since the last version that somebody else published.

    Whoever wrote the same steps before, under any name, and had nobody review them is an author of the copy too.
    """
    earlier = PlaybookVersion.objects.filter(playbook=version.playbook_id, number__lt=version.number)
    reviewed = earlier.filter(status__in=REVIEWED).order_by("-number").first()
    since = reviewed.number if reviewed else 0
    own = Q(playbook=version.playbook_id, number__gt=since, number__lte=version.number)
    copied = Q(steps_digest=digest(version.document["steps"])) & ~Q(status__in=REVIEWED)
    written = PlaybookVersion.objects.filter(own | copied, author__isnull=False)
    people = Principal.objects.filter(pk__in=written.values("author"))
    return {str(person.pk): str(person) for person in people.order_by("username")}
