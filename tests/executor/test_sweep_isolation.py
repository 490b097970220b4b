"""One run that cannot be repaired keeps no other one waiting, and is not forgotten either."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from playbooks import executor
from playbooks.domain.statuses import RunStatus
from playbooks.models import PlaybookVersion, Run
from playbooks.operations import definitions

TIMER = "  - id: pause\n    wait: {for: 20s}\n"


def test_the_others_go_on_and_the_error_is_raised_at_the_end(begin: Callable[..., Run]) -> None:
    broken, well = begin(TIMER), begin(TIMER)
    PlaybookVersion.objects.filter(pk=broken.version_id).update(document={"not": "a playbook"})
    definitions._definition.cache_clear()
    with pytest.raises(ExceptionGroup) as raised:
        executor.sweep(now=timezone.now() + timedelta(seconds=30))
    assert len(raised.value.exceptions) == 1
    for run in (broken, well):
        run.refresh_from_db()
    assert (broken.status, well.status) == (RunStatus.WAITING, RunStatus.SUCCEEDED)
