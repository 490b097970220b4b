"""Page × role × object: everybody gets what their role and their team say, and a new page needs its row here.

As tests/api/test_matrix.py, for the pages: each is opened, and each form sent, for what is of one's own team, of
another team, and restricted. What somebody may not know of is not there (404), whatever they would do with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from playbooks.domain.roles import DECIDE, ROLES
from playbooks.web.urls import urlpatterns
from tests.api.shelves import OTHER, OWN, RESTRICTED, Shelf, filled, newcomer, stand, undone
from tests.cast import Cast
from tests.proving import proven_in

OPEN = "open"  # a page, or a form that was neither forbidden nor hidden: what it does is tested with its operation
NOWHERE = "404"
FORBIDDEN = "403"
NOTHING = "0190a0a0-0000-7000-8000-000000000000"


@dataclass(frozen=True)
class Row:
    """What one page, or one form, takes.

    Without one of `first` it is forbidden before anything else is looked at. Without `sees`, and out of reach, what it
    is about (`of`, as in the API's matrix) is not there. Without one of `needs`, or of the roles in `seat`, the form is
    refused on the page.
    """

    first: tuple[str, ...] = ()
    sees: str = ""
    needs: tuple[str, ...] = ()
    of: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, Any] = field(default_factory=dict)
    seat: tuple[str, ...] | None = None
    query: str = ""
    is_nowhere: bool = False


SHIFT = {"begins_at": "2099-01-01T12:00", "ends_at": "2099-01-02T12:00"}
WHY = {"reason": "Because."}
PEOPLE, MANAGE, SEE_POLICY, SEE_RUN = ("see_people",), ("manage_people",), ("see_policy",), ("see_run",)
TIER2, BLUE, ANALYST = {"username": "=tier2"}, {"slug": "=blue"}, {"slug": "=analyst"}
VERSION = {"slug": "playbook", "number": "=1"}
EDGE = {"slug": "=edge"}
EDGE_VERSION = {**EDGE, "number": "=1"}
NOBODYS = {"pk": f"={NOTHING}"}


def run(*needs: str, **form: Any) -> Row:
    return Row((), "see_run", needs, "case", {"pk": "run", "step": "=block"}, form)


def request(*needs: str, **form: Any) -> Row:
    return Row((), "see_request", needs, "case", {"pk": "request"}, form)


def listed(*first: str) -> Row:
    """A list, which shows what is within reach and nothing else."""
    return Row(first)


ROWS: dict[tuple[str, str], Row] = {
    ("inbox", "get"): listed(),
    ("approval", "get"): request(),
    ("decide", "post"): Row(
        (),
        "see_request",
        (),
        "case",
        {"pk": "request"},
        {"verdict": "approve", "digest": "$digest"},
        ("tier-2", "network-owner"),
    ),
    ("break-glass", "get"): Row(("break_glass",), "see_request", (), "case", {"pk": "request"}),
    ("break-glass", "post"): Row(
        ("break_glass",),
        "see_request",
        (),
        "case",
        {"pk": "request"},
        {"act": "break", "digest": "$digest", **WHY},
        (),  # a proof of five minutes breaks no glass
    ),
    ("reviews", "get"): listed("see_request"),
    ("review", "get"): Row(parts=NOBODYS, is_nowhere=True),
    ("review", "post"): Row(parts=NOBODYS, is_nowhere=True),
    ("step-up", "get"): Row(),
    ("step-up", "post"): Row(form={"purpose": "grant"}),
    ("step-up-provider", "post"): Row(is_nowhere=True),
    ("approval-deciders", "get"): request("see_people"),
    ("strike", "post"): Row(
        (),
        "see_request",
        (),
        "case",
        {"pk": "request"},
        {"digest": "$digest", "step": "block", **WHY},
        ("tier-2", "network-owner"),
    ),
    ("withdraw-decision", "post"): request("see_request", **WHY),
    ("withdraw-request", "post"): Row((), "see_request", (), "case", {"pk": "request"}, WHY, ()),
    ("ask-again", "post"): request("start_run", evidence="New."),
    ("question", "get"): Row((), "see_run", (), "case", {"pk": "question"}),
    ("question", "post"): Row((), "see_run", (), "case", {"pk": "question"}, {}, ("tier-2",)),
    ("rotas", "get"): listed("see_people"),
    ("rotas", "post"): Row(PEOPLE, needs=MANAGE, form={"rota": "network", "person": "tier2", **SHIFT}),
    ("shift-withdraw", "post"): Row(PEOPLE, needs=MANAGE, parts={"pk": "shift"}),
    ("delegations", "get"): listed("see_people"),
    ("delegations", "post"): Row(PEOPLE, form={"substitute": "tier2"}),
    ("delegation-end", "post"): Row(PEOPLE, parts={"pk": "delegation"}, seat=()),
    ("holds", "get"): listed("see_run"),
    ("holds", "post"): Row(
        ("place_hold",), of="team", form={"what": "connection:$connection", "confirmed": "yes", **WHY}
    ),
    ("hold-release", "post"): Row(("place_hold",), of="team", parts={"pk": "hold"}),
    ("expiries", "get"): listed("see_run"),
    ("profile", "get"): listed("see_run"),
    ("profile", "post"): Row(SEE_RUN, form={"profile": "solo", **WHY}, seat=tuple(DECIDE)),
    ("profile-confirm", "post"): Row(parts={"pk": "profile_change"}, seat=tuple(DECIDE)),
    ("profile-withdraw", "post"): Row(parts={"pk": "profile_change"}, seat=(*DECIDE, "administrator")),
    ("alerts", "get"): listed(),
    ("alert", "get"): Row((), "see_alert", (), "case", {"pk": "alert"}),
    ("alert", "post"): Row((), "see_alert", ("triage_alert",), "case", {"pk": "alert"}),
    ("cases", "get"): listed(),
    ("case", "get"): Row((), "see_case", (), "case", {"pk": "case"}),
    ("case", "post"): Row((), "see_case", ("work_case",), "case", {"pk": "case"}, {"resolution": "Done."}),
    ("runs", "get"): listed(),
    ("run", "get"): run(),
    ("run-live", "get"): run(),
    ("run-compare", "get"): Row((), "see_run", (), "case", query="a=$run&b=$run"),
    ("run-cancel", "post"): run("stop_run"),
    ("run-pause", "post"): run("stop_run"),
    ("run-resume", "post"): run("stop_run"),
    ("run-again", "post"): run("start_run"),
    ("run-rollback", "get"): run(),
    ("run-rollback", "post"): run("roll_back_run", digest="0" * 64),
    ("resolve-step", "post"): run("resolve_step", outcome="happened", comment="I looked."),
    ("playbooks", "get"): listed(),
    ("playbook", "get"): Row((), "see_playbook", (), "team", VERSION),
    ("playbook", "post"): Row((), "see_playbook", ("write_playbook",), "team", VERSION, {"text": "x: y"}),
    ("playbook-version", "get"): Row((), "see_playbook", (), "team", VERSION),
    ("playbook-version", "post"): Row(
        (), "see_playbook", ("publish_playbook",), "team", VERSION, {"move": "publish"}
    ),
    ("playbook-dry-run", "get"): Row(
        (), "see_playbook", ("start_run", "write_playbook", "publish_playbook"), "team", VERSION
    ),
    ("playbook-dry-run", "post"): Row(
        (), "see_playbook", ("start_run", "write_playbook", "publish_playbook"), "team", VERSION
    ),
    ("start-run", "get"): Row((), "see_playbook", ("start_run",), "team", VERSION),
    ("start-run", "post"): Row((), "see_playbook", ("start_run",), "team", VERSION),
    ("new-playbook", "get"): listed("write_playbook"),
    ("new-playbook", "post"): Row(("write_playbook",), form={"text": "x: y"}),
    ("check-playbook", "post"): Row(("write_playbook",), form={"text": "x: y"}),
    ("access", "get"): listed("see_people"),
    ("access-person", "get"): Row(PEOPLE, parts=TIER2),
    ("access-roles", "get"): listed("see_people"),
    ("access-role", "get"): Row(PEOPLE, parts=ANALYST),
    ("access-teams", "get"): listed("see_people"),
    ("access-team", "get"): Row(PEOPLE, parts=BLUE),
    ("access-rights", "get"): listed("see_people"),
    ("access-change", "post"): Row(
        MANAGE, form={"do": "give-role", "confirmed": "yes", "person": "tier2", "role": "author"}
    ),
    ("policies", "get"): listed("see_policy"),
    ("policy-explain", "get"): listed("see_policy"),
    ("never-touch", "get"): listed("see_policy"),
    ("never-touch", "post"): Row(
        SEE_POLICY, needs=("write_policy",), form={"kind": "address", "value": "192.0.2.1", **WHY}
    ),
    ("never-touch-remove", "post"): Row((), "", ("publish_policy",), parts={"pk": "never_touch"}, form=WHY),
    ("policy", "get"): Row(SEE_POLICY, parts=EDGE),
    ("policy", "post"): Row(SEE_POLICY, needs=("write_policy",), parts=EDGE, form={"text": "x: y"}),
    ("policy-version", "get"): Row(SEE_POLICY, parts=EDGE_VERSION),
    ("policy-version", "post"): Row(
        SEE_POLICY, needs=("publish_policy",), parts=EDGE_VERSION, form={"move": "publish"}
    ),
    ("policy-simulate", "get"): Row(SEE_POLICY, parts=EDGE_VERSION),
    ("new-policy", "get"): listed("write_policy"),
    ("new-policy", "post"): Row(("write_policy",), form={"text": "x: y"}),
    ("check-policy", "post"): Row(("write_policy",), form={"text": "x: y"}),
    ("audit", "get"): listed("see_audit"),
    ("audit-entry", "get"): Row(("see_audit",), parts={"pk": "entry"}),
    ("audit-export", "get"): listed("export_audit"),
    ("audit-export", "post"): Row(("export_audit",), form={"form": "nothing"}),
    ("notifications", "get"): listed("see_run"),
    ("notifications", "post"): Row(SEE_RUN, form={"zone": "Europe/Vienna"}),
    ("notice-service", "post"): Row(SEE_RUN),
    ("notice-mail-test", "post"): Row(SEE_RUN),
    ("notice-channels", "get"): listed("manage_notices"),
    ("notice-channels", "post"): Row(("manage_notices",), form={"role": "nobody"}),
    ("notice-channel-test", "post"): Row((), "manage_notices", parts={"pk": "channel"}),
    ("notice-channel-remove", "post"): Row((), "manage_notices", parts={"pk": "channel"}),
    ("keys", "get"): Row(),
    ("app-code", "get"): Row(is_nowhere=True),  # nobody here is setting one up
    ("session-end", "post"): Row(parts={"handle": f"={NOTHING}"}, is_nowhere=True),
    ("sessions-end-others", "post"): Row(),
    ("token-issue", "post"): Row((), "", ("see_people",), form={"scope": "everything", "days": "7"}),
    ("token-revoke", "post"): Row(parts=NOBODYS, is_nowhere=True),
    ("people", "get"): listed("see_people"),
    ("person", "get"): Row(MANAGE, parts=TIER2),
    ("person-sessions-end", "post"): Row(MANAGE, parts=TIER2),
    ("person-link", "post"): Row(MANAGE, parts=TIER2, form={"same_person_as": "analyst"}),
    ("person-identity", "post"): Row(MANAGE, parts=TIER2, form={"provider": "oidc", "subject": "1"}),
    ("first-administrator", "get"): Row(parts={"secret": "=secret"}, is_nowhere=True),
    ("first-administrator", "post"): Row(parts={"secret": "=secret"}, is_nowhere=True),
    ("become", "post"): Row(is_nowhere=True),  # outside the demo
    ("cheat", "get"): Row(is_nowhere=True),
    ("cheat", "post"): Row(is_nowhere=True),
}
METHODS = ("get", "post", "put", "patch", "delete")


def expected(row: Row, role: str, shelf: str) -> str:
    held = ROLES[role].permissions if role else frozenset()
    if row.first and not held & set(row.first):
        return FORBIDDEN
    if row.is_nowhere or (row.sees and row.sees not in held) or _is_hidden(row, held, shelf):
        return NOWHERE
    if row.needs and not held & set(row.needs):
        return FORBIDDEN
    sits = row.seat is None or (role in row.seat and (shelf == OWN or row.of != "case"))
    return OPEN if sits else FORBIDDEN


def _is_hidden(row: Row, held: frozenset[str], shelf: str) -> bool:
    if shelf == RESTRICTED:
        return row.of == "case"
    return bool(row.of) and ((shelf == OTHER and "see_every_team" not in held) or not held)


def met(method: str, status: int) -> str:
    """A page is there with 200; a form leads on (302), or says on its page what is wrong with it."""
    known = {200, 302, 400, 409} if method == "post" else {200}
    assert status in {*known, 401, 403, 404}, status
    return {401: FORBIDDEN, 403: FORBIDDEN, 404: NOWHERE}.get(status, OPEN)


def address_of(name: str, row: Row, shelf: Shelf) -> str:
    pattern = next(each for each in urlpatterns if each.name == name)
    parts = {each: row.parts[each] for each in pattern.pattern.converters}
    keys = {each: key[1:] if key.startswith("=") else shelf.keys[key] for each, key in parts.items()}
    query = re.sub(r"\$(\w+)", lambda key: shelf.keys[key[1]], row.query)
    return f"{reverse(name, kwargs=keys)}?{query}"


def call(client: Client, name: str, method: str, row: Row, shelf: Shelf) -> Any:
    form = {each: _named(value, shelf) for each, value in row.form.items()}
    return getattr(client, method)(address_of(name, row, shelf), form if method == "post" else None)


def _named(value: str, shelf: Shelf) -> str:
    kind, _, name = value.rpartition(":")
    return f"{kind}:{filled(name, shelf)}" if kind else str(filled(value, shelf))


def test_every_page_and_every_form_has_its_row(cast: Cast) -> None:
    """What has no row takes no call."""
    assert {name for name, _ in ROWS} == {str(each.name) for each in urlpatterns}
    shelf, client = stand(cast)[OWN], Client()
    client.force_login(cast.admin)
    for name in {name for name, _ in ROWS}:
        row = ROWS.get((name, "get")) or ROWS[name, "post"]
        taken = {method for each, method in ROWS if each == name}
        for method in set(METHODS) - taken:
            status = getattr(client, method)(address_of(name, row, shelf)).status_code
            assert status == 405, (name, method)


@pytest.mark.parametrize(
    ("role", "is_superuser"), [*((role, False) for role in ROLES), ("", False), ("", True)]
)
def test_everybody_gets_what_their_role_and_their_team_say(cast: Cast, role: str, is_superuser: bool) -> None:
    shelves = stand(cast)
    person = newcomer(role, is_superuser=is_superuser)
    client = Client()
    client.force_login(person)
    proven_in(client, person)  # without it, see test_giving
    wrong = {}
    for (name, method), row in ROWS.items():
        for shelf in shelves.values():
            wanted = expected(row, role, shelf.name)
            with undone():
                answer = call(client, name, method, row, shelf)
                got = met(method, answer.status_code)
            if got != wanted:
                wrong[name, method, shelf.name] = f"{answer.status_code}, not {wanted}"
    assert not wrong, "\n".join(f"{where}: {what}" for where, what in wrong.items())
