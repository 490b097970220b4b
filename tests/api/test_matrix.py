"""Endpoint × role × object: everybody gets what their role and their team say, and a new endpoint needs its row here.

For each built-in role, and for somebody without one (also as a superuser), every address and method is called for what
is of their own team, of another team, and restricted. What they may not know of is not there (404), stands in no list,
is found by no search, and counts in no number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.test import Client

from playbooks.api import urls
from playbooks.domain.roles import DECIDE, ROLES
from tests.api.callers import BASE
from tests.api.shelves import OTHER, OWN, RESTRICTED, Shelf, filled, newcomer, stand, undone
from tests.api.test_no_rights import ENDPOINTS
from tests.cast import Cast
from tests.proving import proven_in

OPEN = "open"  # neither forbidden nor hidden: what the operation then says is tested with the operation
NOWHERE = "404"
FORBIDDEN = "403"


@dataclass(frozen=True)
class Row:
    """What one method of an address takes.

    One of `needs` by role; without any the operation decides. `of` is the kind of object that the address or the body
    names: a case, or what belongs to one, can be of a team and restricted; "team" stands for what can be of a team
    alone; "" for what is everybody's.
    """

    needs: tuple[str, ...] = ()
    of: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    seat: tuple[str, ...] | None = None  # only these roles are let through
    query: str = ""
    text: str = ""  # a body that is no JSON
    else_nowhere: str = ""  # whoever lacks this permission is told that there is nothing
    is_nowhere: bool = False  # one's own things are tested with their operations; here there is none of them
    tells_all: bool = False  # the log is whole for whoever may read it


PLAYBOOK = {"slug:slug": "playbook"}
VERSION = {**PLAYBOOK, "int:number": "=1", "int:other": "=1"}
PERSON, TEAM, ROLE = {"slug:username": "=tier2"}, {"slug:slug": "=blue"}, {"slug:slug": "=analyst"}
MANAGE, WHY = ("manage_people",), {"reason": "Because."}
STEPS_UP = ("see_request", "see_people", "manage_people", "manage_connection", "work_case", "break_glass")
DIGEST = "0" * 64
NOTHING = dict.fromkeys(("uuid:pk", "uuid:handle"), "=0190a0a0-0000-7000-8000-000000000000")
RIGHT = {"kind": "case", "key": "$case", "permission": "see_case", "person": "outsider"}
PLAYBOOK_TEXT, POLICY_TEXT = "playbook: block-own\n", "policy: other\n"
POLICY = {"slug:slug": "=edge"}
POLICY_VERSION = {**POLICY, "int:number": "=1", "int:other": "=1"}
ASKED = {"action": "nftables.block_address", "connection": "edge-firewall"}


def case(*needs: str, pk: str, **body: Any) -> Row:
    return Row(needs, "case", {"uuid:pk": pk}, body)


def run(*needs: str, **body: Any) -> Row:
    return Row(needs, "case", {"uuid:pk": "run", "str:step": "=block"}, body)


def of_team(*needs: str, parts: Mapping[str, str], **body: Any) -> Row:
    return Row(needs, "team", parts, body)


def version(*needs: str, **body: Any) -> Row:
    return of_team(*needs, parts=VERSION, **body)


def policy(*needs: str, **body: Any) -> Row:
    return Row(needs, parts=POLICY_VERSION, body=body)


def channel() -> Row:
    """One that a role shares: whoever is told of things may have channels, and this is none of theirs."""
    return Row(("see_run",), parts={"uuid:pk": "channel"}, else_nowhere="manage_notices")


ROWS: dict[tuple[str, str], Row] = {
    ("health/", "get"): Row(),
    ("schema/", "get"): Row(),
    ("alerts/", "get"): Row(("see_alert",)),
    ("alerts/", "post"): Row(("triage_alert", "manage_source"), body={"title": "x", "severity": 1}),
    ("alerts/<uuid:pk>/", "get"): case("see_alert", pk="alert"),
    ("ingest/<slug:source>/", "post"): of_team(
        "triage_alert", "manage_source", parts={"slug:source": "source"}, title="x", severity=1
    ),
    ("cases/", "get"): Row(("see_case",)),
    ("cases/<uuid:pk>/", "get"): case("see_case", pk="case"),
    ("cases/<uuid:pk>/close/", "post"): case("work_case", pk="case", resolution="Done."),
    ("cases/<uuid:pk>/restrict/", "post"): case("work_case", pk="case", **WHY),
    ("cases/<uuid:pk>/release/", "post"): case("work_case", pk="case", **WHY),
    ("cases/<uuid:pk>/subjects/", "post"): case("work_case", pk="case", person="outsider", **WHY),
    ("cases/<uuid:pk>/subjects/clear/", "post"): case("work_case", pk="case", person="compliance", **WHY),
    ("playbooks/", "get"): Row(("see_playbook",)),
    ("playbooks/", "post"): Row(("write_playbook",), text=PLAYBOOK_TEXT),
    ("playbooks/check/", "post"): Row(("see_playbook",), text=PLAYBOOK_TEXT),
    ("playbooks/schema/", "get"): Row(),
    ("playbooks/<slug:slug>/", "get"): of_team("see_playbook", parts=PLAYBOOK),
    ("playbooks/<slug:slug>/versions/", "post"): Row(
        ("write_playbook",), "team", PLAYBOOK, text=PLAYBOOK_TEXT
    ),
    ("playbooks/<slug:slug>/versions/<int:number>/", "get"): version("see_playbook"),
    ("playbooks/<slug:slug>/versions/<int:number>/submit/", "post"): version("write_playbook"),
    ("playbooks/<slug:slug>/versions/<int:number>/send-back/", "post"): Row(
        ("publish_playbook", "write_playbook"), "team", VERSION, WHY, ("publisher",)
    ),
    ("playbooks/<slug:slug>/versions/<int:number>/adapt/", "post"): version("write_playbook"),
    ("playbooks/<slug:slug>/versions/<int:number>/diff/<int:other>/", "get"): version("see_playbook"),
    ("playbooks/<slug:slug>/versions/<int:number>/dry-run/", "post"): version(
        "start_run", "write_playbook", "publish_playbook"
    ),
    ("playbooks/<slug:slug>/versions/<int:number>/impact/", "get"): version("see_playbook"),
    ("playbooks/<slug:slug>/versions/<int:number>/publish/", "post"): version("publish_playbook"),
    ("playbooks/<slug:slug>/versions/<int:number>/retire/", "post"): version("publish_playbook"),
    ("runs/", "get"): Row(("see_run",)),
    ("runs/", "post"): Row(
        ("start_run",),
        "case",
        body={"playbook": "block-shared", "case": "$case", "inputs": {"address": "::1"}},
    ),
    ("runs/<uuid:pk>/", "get"): run("see_run"),
    ("runs/<uuid:pk>/cancel/", "post"): run("stop_run"),
    ("runs/<uuid:pk>/rollback/", "get"): run("see_run"),
    ("runs/<uuid:pk>/rollback/", "post"): run("roll_back_run", digest=DIGEST),
    ("runs/<uuid:pk>/pause/", "post"): run("stop_run"),
    ("runs/<uuid:pk>/resume/", "post"): run("stop_run"),
    ("runs/<uuid:pk>/rerun/", "post"): run("start_run"),
    ("runs/<uuid:pk>/steps/", "get"): run("see_run"),
    ("runs/<uuid:pk>/steps/<str:step>/resolve/", "post"): run(
        "resolve_step", outcome="happened", comment="I looked."
    ),
    ("runs/<uuid:pk>/turns/", "get"): run("see_run"),
    ("approvals/", "get"): Row(("see_request",)),
    ("approvals/<uuid:pk>/", "get"): case("see_request", pk="request"),
    ("approvals/<uuid:pk>/decide/", "post"): Row(
        of="case",
        parts={"uuid:pk": "request"},
        body={"verdict": "approve", "digest": "$digest"},
        seat=("tier-2", "network-owner"),
    ),
    ("approvals/<uuid:pk>/strike/", "post"): Row(
        ("see_request",),
        "case",
        {"uuid:pk": "request"},
        {"digest": "$digest", "steps": ["block"], **WHY},
        seat=("tier-2", "network-owner"),
    ),
    ("approvals/<uuid:pk>/withdraw-decision/", "post"): case("see_request", pk="request", **WHY),
    ("approvals/<uuid:pk>/withdraw/", "post"): Row(
        ("see_request",), "case", {"uuid:pk": "request"}, WHY, seat=()
    ),
    ("approvals/<uuid:pk>/ask-again/", "post"): case("start_run", pk="request", evidence="It is new."),
    ("approvals/<uuid:pk>/break-glass/", "post"): Row(
        ("break_glass",), "case", {"uuid:pk": "request"}, {"digest": "$digest", **WHY}, seat=()
    ),
    ("reviews/", "get"): Row(("see_request",)),
    ("reviews/<uuid:pk>/", "get"): Row(("see_request",), parts=NOTHING, is_nowhere=True),
    ("reviews/<uuid:pk>/review/", "post"): Row(
        ("review_break_glass",),
        parts=NOTHING,
        body={"finding": "justified", "comment": "I looked."},
        is_nowhere=True,
    ),
    ("step-up/", "post"): Row(STEPS_UP, body={"purpose": "grant"}, seat=()),  # nobody here has a factor
    ("step-up/<uuid:pk>/prove/", "post"): Row(
        STEPS_UP, parts=NOTHING, body={"password": "x", "code": "000000"}, is_nowhere=True
    ),
    ("delegations/", "get"): Row(("see_people",)),
    ("delegations/", "post"): Row(
        ("see_people",), body={"substitute": "tier2", "ends_at": "2020-01-01T00:00:00Z", **WHY}
    ),
    ("delegations/<uuid:pk>/end/", "post"): Row(("see_people",), parts={"uuid:pk": "delegation"}, seat=()),
    ("rotas/", "get"): Row(("see_people",)),
    ("rotas/", "post"): Row(MANAGE, body={"rota": "network", "shifts": []}),
    ("shifts/<uuid:pk>/withdraw/", "post"): Row(MANAGE, parts={"uuid:pk": "shift"}),
    ("connections/<slug:name>/owner/", "post"): of_team(
        "manage_connection", parts={"slug:name": "connection"}, owner=""
    ),
    ("connections/", "get"): Row(("see_connection",)),
    ("connections/", "post"): of_team(
        "manage_connection", parts={}, name="$connection", connector="nftables"
    ),
    ("connections/<slug:name>/limits/", "post"): of_team(
        "manage_connection", parts={"slug:name": "connection"}, limits={}
    ),
    ("questions/", "get"): Row(("see_run",)),
    ("questions/<uuid:pk>/", "get"): case("see_run", pk="question"),
    ("questions/<uuid:pk>/answer/", "post"): Row(
        ("see_run",), "case", {"uuid:pk": "question"}, {"answers": {}}, ("tier-2",)
    ),
    ("events/", "post"): Row(("post_event",), body={"name": "mail.replied", "key": "1"}),
    ("holds/", "get"): Row(("see_run",)),
    ("holds/", "post"): of_team("place_hold", parts={}, scope="connection", name="$connection", **WHY),
    ("holds/<uuid:pk>/release/", "post"): of_team("place_hold", parts={"uuid:pk": "hold"}),
    ("expiries/", "get"): Row(("see_run",)),
    ("profile/", "get"): Row(("see_run",)),
    ("profile/", "post"): Row(
        ("see_run",), body={"profile": "solo", "reason": "I am alone."}, seat=tuple(DECIDE)
    ),
    ("profile/<uuid:pk>/confirm/", "post"): Row(
        ("see_run",), parts={"uuid:pk": "profile_change"}, seat=tuple(DECIDE)
    ),
    ("profile/<uuid:pk>/withdraw/", "post"): Row(
        ("see_run",), parts={"uuid:pk": "profile_change"}, seat=(*DECIDE, "administrator")
    ),
    ("notices/", "get"): Row(("manage_notices",)),
    ("notices/rules/", "get"): Row(("see_run",)),
    ("notices/rules/", "post"): Row(("see_run",), body={"zone": "Europe/Vienna"}),
    ("notices/services/", "post"): Row(("see_run",), body={"address": ""}),
    ("notices/channels/", "get"): Row(("manage_notices",)),
    ("notices/channels/", "post"): Row(("manage_notices",), body={"role": "nobody"}),
    ("notices/channels/<uuid:pk>/test/", "post"): channel(),
    ("notices/channels/<uuid:pk>/remove/", "post"): channel(),
    ("policies/", "get"): Row(("see_policy",)),
    ("policies/", "post"): Row(("write_policy",), text=POLICY_TEXT),
    ("policies/check/", "post"): Row(("see_policy",), text=POLICY_TEXT),
    ("policies/explain/", "post"): Row(("see_policy",), body=ASKED),
    ("policies/simulate/", "post"): Row(("see_policy",), text=POLICY_TEXT),
    ("policies/<slug:slug>/", "get"): policy("see_policy"),
    ("policies/<slug:slug>/versions/", "post"): Row(("write_policy",), parts=POLICY, text=POLICY_TEXT),
    ("policies/<slug:slug>/versions/<int:number>/", "get"): policy("see_policy"),
    ("policies/<slug:slug>/versions/<int:number>/submit/", "post"): policy("write_policy"),
    ("policies/<slug:slug>/versions/<int:number>/send-back/", "post"): Row(
        ("publish_policy", "write_policy"), parts=POLICY_VERSION, body=WHY, seat=("publisher",)
    ),
    ("policies/<slug:slug>/versions/<int:number>/adapt/", "post"): policy("write_policy"),
    ("policies/<slug:slug>/versions/<int:number>/diff/<int:other>/", "get"): policy("see_policy"),
    ("policies/<slug:slug>/versions/<int:number>/simulate/", "get"): policy("see_policy"),
    ("policies/<slug:slug>/versions/<int:number>/second/", "post"): Row(
        ("publish_policy",), parts={**POLICY_VERSION, "slug:slug": "=routine"}
    ),
    ("policies/<slug:slug>/versions/<int:number>/publish/", "post"): policy("publish_policy"),
    ("policies/<slug:slug>/versions/<int:number>/retire/", "post"): policy("publish_policy", **WHY),
    ("never-touch/", "get"): Row(("see_policy",)),
    ("never-touch/", "post"): Row(("write_policy",), body={"kind": "address", "value": "192.0.2.1", **WHY}),
    ("never-touch/<uuid:pk>/remove/", "post"): Row(
        ("publish_policy",), parts={"uuid:pk": "never_touch"}, body=WHY
    ),
    ("sources/", "get"): Row(("manage_source",)),
    ("sources/", "post"): Row(("manage_source",), body={"slug": "new", "kind": "normal"}),
    ("tokens/", "get"): Row(("see_people",)),
    ("tokens/", "post"): Row(("see_people",), body={"scopes": ["everything"]}),
    ("tokens/<uuid:pk>/", "delete"): Row(parts=NOTHING, is_nowhere=True),
    ("sessions/", "get"): Row(),
    ("sessions/<uuid:handle>/", "delete"): Row(parts=NOTHING, is_nowhere=True),
    ("people/", "get"): Row(("see_people",)),
    ("people/", "post"): Row(MANAGE, body={"username": "new", "name": "New", "password": "correct horse 7"}),
    ("people/<slug:username>/", "get"): Row(("see_people",), parts=PERSON),
    ("people/<slug:username>/deactivate/", "post"): Row(MANAGE, parts=PERSON),
    ("people/<slug:username>/roles/", "post"): Row(MANAGE, parts=PERSON, body={"role": "author"}),
    ("people/<slug:username>/roles/take/", "post"): Row(MANAGE, parts=PERSON, body={"role": "tier-2"}),
    ("teams/", "get"): Row(("see_people",)),
    ("teams/", "post"): Row(MANAGE, body={"slug": "new", "name": "New"}),
    ("teams/assign/", "post"): Row(
        ("work_case",), "case", body={"kind": "case", "key": "$case", "team": "blue"}
    ),
    ("teams/<slug:slug>/", "get"): Row(("see_people",), parts=TEAM),
    ("teams/<slug:slug>/rename/", "post"): Row(MANAGE, parts=TEAM, body={"name": "New"}),
    ("teams/<slug:slug>/end/", "post"): Row(MANAGE, parts=TEAM),
    ("teams/<slug:slug>/members/", "post"): Row(MANAGE, parts=TEAM, body={"person": "tier2"}),
    ("teams/<slug:slug>/members/remove/", "post"): Row(MANAGE, parts=TEAM, body={"person": "analyst"}),
    ("roles/", "get"): Row(("see_people",)),
    ("roles/", "post"): Row(MANAGE, body={"slug": "new", "title": "New", "permissions": ["see_run"]}),
    ("roles/<slug:slug>/", "get"): Row(("see_people",), parts=ROLE),
    ("roles/<slug:slug>/change/", "post"): Row(
        MANAGE, parts={"slug:slug": "=helper"}, body={"title": "New", "permissions": []}
    ),
    ("roles/<slug:slug>/end/", "post"): Row(MANAGE, parts={"slug:slug": "=helper"}),
    ("grants/", "get"): Row(("see_people",)),
    ("grants/", "post"): Row(("work_case", *MANAGE), "case", body={**RIGHT, **WHY}),
    ("grants/take/", "post"): Row(("work_case", *MANAGE), "case", body=RIGHT),
    ("audit/entries/", "get"): Row(("see_audit",), tells_all=True),
    ("audit/export/", "get"): Row(("export_audit",), "case", query="case=$case"),
    ("audit/checkpoint/", "get"): Row(("see_audit",)),
    ("audit/proof/<int:entry>/", "get"): Row(("see_audit",), parts={"int:entry": "entry"}, tells_all=True),
    ("audit/consistency/", "get"): Row(("see_audit",), query="old=1&new=1"),
}
UNSIGNED = {"audit/checkpoint/", "audit/proof/<int:entry>/"}  # 404 until the sequencer has run


def expected(row: Row, role: str, shelf: str) -> str:
    held = ROLES[role].permissions if role else frozenset()
    has_permission = not row.needs or bool(held & set(row.needs))
    if row.is_nowhere:
        return NOWHERE if has_permission else FORBIDDEN
    is_hidden = (shelf == RESTRICTED and row.of == "case") or (
        shelf == OTHER and bool(row.of) and "see_every_team" not in held
    )
    if shelf == OWN and row.of and not role:
        is_hidden = True  # somebody without a role is in no team
    if not row.needs:
        return NOWHERE if is_hidden else OPEN if has_permission and _sits(row, role, shelf) else FORBIDDEN
    if not has_permission:
        return FORBIDDEN
    is_hidden |= bool(row.else_nowhere) and row.else_nowhere not in held
    return NOWHERE if is_hidden else OPEN if _sits(row, role, shelf) else FORBIDDEN


def _sits(row: Row, role: str, shelf: str) -> bool:
    """Seats are by role, and by the team whose matter it is."""
    return row.seat is None or (role in row.seat and (shelf == OWN or row.of != "case"))


def met(status: int) -> str:
    assert status in {*range(500), 503}  # health/ says 503 where no worker is
    return {401: FORBIDDEN, 403: FORBIDDEN, 404: NOWHERE}.get(status, OPEN)


def call(client: Client, address: str, method: str, row: Row, shelf: Shelf) -> Any:
    def part(name: re.Match[str]) -> str:
        wanted = row.parts[name[1]]
        return wanted[1:] if wanted.startswith("=") else shelf.keys[wanted]

    path = BASE + re.sub("<([^>]+)>", part, address)
    if method == "delete":
        return client.delete(path)
    if method == "get":
        return client.get(f"{path}?{row.query.replace('$case', shelf.keys['case'])}")
    if row.text:
        return client.post(path, row.text, content_type="text/yaml")
    return client.post(path, json.dumps(filled(dict(row.body), shelf)), content_type="application/json")


def test_every_address_and_method_has_its_row() -> None:
    known = {(address, method) for address, methods in ENDPOINTS.items() for method in methods}
    assert set(ROWS) == known
    assert {str(each.pattern) for each in urls.urlpatterns} == set(ENDPOINTS)


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
    for (address, method), row in ROWS.items():
        if address in UNSIGNED and "see_audit" in (ROLES[role].permissions if role else ()):
            continue
        for shelf in shelves.values():
            wanted = expected(row, role, shelf.name)
            if address == "audit/export/" and wanted == OPEN:
                continue  # waits for the sequencer; tested with the exports
            with undone():
                answer = call(client, address, method, row, shelf)
                got = met(answer.status_code)
            if got != wanted:
                wrong[method, address, shelf.name] = f"{got}, not {wanted}: {answer.content[:200]!r}"
    assert not wrong, "\n".join(f"{where}: {what}" for where, what in wrong.items())


@pytest.mark.parametrize("role", [*ROLES, ""])
def test_case_33_no_list_search_or_order_shows_what_is_not_within_reach(cast: Cast, role: str) -> None:
    """Case 33."""
    shelves = stand(cast)
    client = Client()
    client.force_login(newcomer(role))
    hidden = set(shelves[RESTRICTED].tells)
    if not role or "see_every_team" not in ROLES[role].permissions:
        hidden |= shelves[OTHER].tells
    for address, row in ((address, row) for (address, method), row in ROWS.items() if method == "get"):
        if "<" in address or row.tells_all:
            continue
        for query in ("", "page_size=200", f"text={OTHER}", f"text={RESTRICTED}", *ORDERS.get(address, ())):
            text = client.get(f"{BASE}{address}?{query}").content.decode()
            assert not [each for each in hidden if each in text], (address, query)


ORDERS = {
    "runs/": ("ordering=created_at", "ordering=-created_at"),
    "cases/": ("ordering=severity", "ordering=-opened_at"),
    "alerts/": ("ordering=severity", f"source=source-{OTHER}"),
    "playbooks/": ("ordering=slug",),
}
