"""The playbooks that ship with the product are sound, and installing them twice changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from playbooks.domain.check import check
from playbooks.domain.statuses import VersionStatus
from playbooks.models import PlaybookVersion
from playbooks.operations import playbooks
from playbooks.operations.actions import actions

LIBRARY = sorted((Path(playbooks.__file__).parents[1] / "library").glob("*.yaml"))


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_a_shipped_playbook_is_sound_and_bears_the_name_of_its_file(path: Path) -> None:
    checked = check(path.read_text(encoding="utf-8"), actions())
    assert checked.problems == ()
    assert checked.playbook is not None
    assert checked.playbook.playbook == path.stem


@pytest.mark.django_db
@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_a_shipped_playbook_is_published_without_author_and_publisher(path: Path) -> None:
    version = playbooks.ship(path.read_text(encoding="utf-8"))
    again = playbooks.ship(path.read_text(encoding="utf-8"))
    assert again.pk == version.pk
    assert PlaybookVersion.objects.count() == 1
    assert (version.status, version.author, version.publisher) == (VersionStatus.PUBLISHED, None, None)
