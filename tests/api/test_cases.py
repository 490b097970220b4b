"""Cases over HTTP: what belongs together, and closing with a resolution."""

from __future__ import annotations

from guardian.shortcuts import assign_perm

from playbooks.models import Case
from tests.api.callers import NORMAL, at_the_gate, session, token_of
from tests.cast import Cast


def test_a_case_shows_its_runs_and_alerts(cast: Cast) -> None:
    run, _ = at_the_gate(cast)
    view = session(cast.analyst).get(f"cases/{run.case_id}/").json()
    assert ([each["id"] for each in view["runs"]], view["alerts"]) == ([str(run.pk)], [])
    assert (view["run_count"], view["alert_count"], view["may_close"]) == (1, 0, True)


def test_a_case_is_closed_once_with_a_resolution(cast: Cast) -> None:
    api = token_of(cast.analyst, "cases", "read", "ingest")
    case = api.post("alerts/", NORMAL).json()["case"]
    assert api.post(f"cases/{case}/close/", {"resolution": " "}).status_code == 400
    closed = api.post(f"cases/{case}/close/", {"resolution": "A false alarm."})
    assert (closed.status_code, closed.json()["status"]) == (200, "closed")
    again = api.post(f"cases/{case}/close/", {"resolution": "x"})
    assert (again.status_code, again.json()["rule"]) == (409, "case_closed")
    assert api.get("cases/", status="open").json()["results"] == []


def test_whoever_was_given_one_case_sees_that_case_and_no_other(cast: Cast) -> None:
    api = session(cast.analyst)
    shown, hidden = (
        api.post("alerts/", {**NORMAL, "external_id": each}).json()["case"] for each in ("1", "2")
    )
    assign_perm("playbooks.see_case", cast.outsider, Case.objects.get(pk=shown))
    outsider = session(cast.outsider)
    assert [each["id"] for each in outsider.get("cases/").json()["results"]] == [shown]
    assert outsider.get(f"cases/{shown}/").json()["alerts"] == []
    assert outsider.get(f"cases/{hidden}/").status_code == 404
    assert outsider.post(f"cases/{shown}/close/", {"resolution": "x"}).status_code == 403
