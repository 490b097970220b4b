"""A run that waits at its gate, the doors that lead to it, and the far side of the executor's tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from playbooks.domain.statuses import RequestStatus
from playbooks.models import ApprovalRequest, Run
from tests.abuse.doors import DOORS, Door, drive
from tests.cast import Cast, connect, publish, start
from tests.databases import any_time
from tests.executor.conftest import begin, fake, world

__all__ = ["any_time", "begin", "fake", "world"]


@dataclass(frozen=True, slots=True)
class Gate:
    """The analyst has asked; tier2 and netowner are to decide."""

    cast: Cast
    run: Run
    request: ApprovalRequest

    def newest(self) -> ApprovalRequest:
        return self.run.requests.latest("opened_at", "pk")


@pytest.fixture(params=DOORS, ids=lambda door: door.name)
def door(request: pytest.FixtureRequest) -> Door:
    found: Door = request.param
    return found


@pytest.fixture
def gate(cast: Cast) -> Gate:
    connect(cast)
    publish(cast)
    run = drive(start(cast))
    return Gate(cast, run, run.requests.get(status=RequestStatus.OPEN))


@pytest.fixture(autouse=True)
def _static_files(settings: Any, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path


@pytest.fixture
def now() -> Any:
    return timezone.now()
