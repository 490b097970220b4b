"""W7: the inbox of somebody who may decide 50 of 10,000 open requests, beside that of somebody who has nothing there.

Both are pages of this process, as the test client gets them: what is measured is ours, not the network.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from playbooks import executor
from playbooks.models import Principal
from playbooks.operations import runs
from tests import cast
from tests.bench.figures import Figure
from tests.bench.gate import STEPS
from tests.bench.scene import Sizes
from tests.cast import Cast
from tests.web.crowd import open_requests

OPEN, MINE = 10_000, 50
WARM = 3


def measure_inbox(database: str, sizes: Sizes, people: Cast) -> Iterator[Figure]:
    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, "testserver"]
    cast.publish(people, f"playbook: inbox\ntitle: Inbox\nsteps:\n{STEPS}")
    run = runs.start("inbox", caller=people.caller("analyst"))
    executor.drive(run.pk, worker="bench")
    request = run.requests.get()
    open_requests(request, MINE - 1, role="tier-2")
    few = _statements(people.tier2)
    open_requests(request, OPEN - MINE, role="nobody-here", first=MINE)
    _analyze()
    empty, full = _milliseconds(people.outsider, sizes), _milliseconds(people.tier2, sizes)
    yield Figure("W7", database, "inbox_ms", full, empty, "inbox_ms")
    yield Figure("W7", database, "inbox_statements", _statements(people.tier2), few, "same")


def _milliseconds(person: Principal, sizes: Sizes) -> float:
    browser = _browser(person)
    for _ in range(WARM):
        browser.get("/")
    times = []
    for _ in range(sizes.repeats * 4):
        begun = time.perf_counter()
        assert browser.get("/").status_code == 200
        times.append((time.perf_counter() - begun) * 1000)
    return median(times)


def _statements(person: Principal) -> int:
    browser = _browser(person)
    browser.get("/")
    with CaptureQueriesContext(connection) as captured:
        assert browser.get("/").status_code == 200
    return len(captured)


def _browser(person: Principal) -> Client:
    client = Client()
    client.force_login(person)
    return client


def _analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # autovacuum would, a minute later
