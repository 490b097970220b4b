"""What ran provisionally, on the pages: that it has run, that it is taken back, and who may countersign it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.urls import reverse

from playbooks.domain.statuses import RequestStatus
from playbooks.models import Run
from tests.cast import Cast
from tests.executor.conftest import begin, fake, world
from tests.executor.test_policies import begun, second
from tests.executor.test_provisional import asked, contain, decide, let_go_by
from tests.web.conftest import Look

__all__ = ["begin", "begun", "contain", "fake", "second", "world"]

pytestmark = pytest.mark.usefixtures("contain")


def page(look: Look, who: str, name: str, *args: object, **query: str) -> str:
    return look(who).get(reverse(name, args=args), query).content.decode()


def test_the_request_says_that_it_has_run_and_is_taken_back(begun: Callable[..., Run], look: Look) -> None:
    text = page(look, "tier2", "approval", asked(begun()).pk)
    assert "What has run" in text
    assert "It ran before anybody was asked" in text
    assert "If nobody countersigns it in time, it is taken back." in text
    assert "Break the glass" not in text


def test_it_is_countersigned_on_its_page(begun: Callable[..., Run], look: Look) -> None:
    request = asked(begun())
    form = {"verdict": "approve", "digest": request.digest, "comment": ""}
    look("tier2").post(reverse("decide", args=[request.pk]), form)
    request.refresh_from_db()
    assert request.status == RequestStatus.GRANTED


def test_the_run_says_what_became_of_it(begun: Callable[..., Run], cast: Cast, look: Look) -> None:
    run = begun()
    assert "Taken back" in page(look, "analyst", "run", run.pk, step="act")
    decide(run, cast.caller("tier2"))
    assert "people have countersigned it" in page(look, "analyst", "run", run.pk, step="act")
    assert "kept" in page(look, "analyst", "expiries", show="over")
    let_go_by(hours=1)
    assert "people have countersigned it" in page(look, "analyst", "run", run.pk, step="act")


def test_the_policy_says_what_runs_and_who_countersigns(look: Look) -> None:
    text = page(look, "analyst", "policy", "contain")
    assert "taken back after 30 minutes unless countersigned by" in text
    assert "It ends at once." in page(look, "publisher", "policy-version", "contain", 1)
    told = page(look, "analyst", "policy-explain", action="fake.keyed", connection="fake")
    assert "countersigns, or it is taken back" in told
