"""The playbooks that ship with the product are sound, and installing them twice changes nothing."""

from __future__ import annotations

import pytest

from playbooks.domain.check import check
from playbooks.domain.statuses import VersionStatus
from playbooks.management.library import SHIPPED, install, text_of
from playbooks.models import PlaybookVersion
from playbooks.operations.actions import actions

every_playbook = pytest.mark.parametrize("name", SHIPPED)


@every_playbook
def test_a_shipped_playbook_is_sound_and_bears_the_name_of_its_file(name: str) -> None:
    checked = check(text_of(name), actions())
    assert checked.problems == ()
    assert checked.playbook is not None
    assert checked.playbook.playbook == name


@pytest.mark.django_db
@every_playbook
def test_a_shipped_playbook_is_published_without_author_and_publisher(name: str) -> None:
    version = install(name)
    again = install(name)
    assert again.pk == version.pk
    assert (version.status, version.author, version.publisher) == (VersionStatus.PUBLISHED, None, None)
    installed = list(PlaybookVersion.objects.values_list("playbook__slug", flat=True))
    assert sorted(installed) == sorted({name, *version.pins})
