"""What check says about steps inside steps, and about the kinds of steps besides actions and gates."""

from __future__ import annotations

import pytest

from playbooks.domain.check import check
from tests.domain.language import CATALOGUE, HEAD, problems

SEATS = "seats: [{role: tier-2}]"
WHO = "who: {role: tier-2}"
ISOLATE = "id: isolate, do: edr.isolate_host, with: {host: '${ item }'}"
HOSTS = f"id: hosts, each: [a, b], outputs: {{host: '${{ item }}'}}, steps: [{{{ISOLATE}}}]"
WATCH = "id: watch, repeat: {until: turn > 2, most: 5}, outputs: {value: 1}, steps: [{id: look, set: {}}]"
PASSWORD = "${ steps.new.outputs.password }"
SECRET = "id: new, do: accounts.new_password, with: {user: u}, secret_outputs: [password]"


def of_steps(*steps: str) -> list[str]:
    return problems(HEAD + "".join(f"  - {{{step}}}\n" for step in steps))


def reading(name: str) -> str:
    return f"id: reader, set: {{x: '${{ {name} }}'}}"


def test_problems_on_every_level_come_at_once_each_at_its_place() -> None:
    text = f"""{HEAD}
  - id: hosts
    each: ["a"]
    at_onec: 2
    steps:
      - id: isolate
        do: edr.isolate_hst
        with: {{host: "${{ itm }}"}}
      - id: ask_them
        ask: Which?
        fields: {{note: {{typ: string}}}}
        who: {{role: tier-2}}
      - id: again
        repeat: {{until: "true", mots: 5}}
        steps:
          - id: isolate
            set: {{}}
            needs: [hosts]
          - {{id: both, set: {{}}, wait: {{for: 5m}}}}
"""
    found = [(each.line, each.column, each.message) for each in check(text, CATALOGUE).problems]
    assert found == [
        (8, 5, "unknown key 'at_onec', did you mean 'at_once'?"),
        (11, 13, "unknown action 'edr.isolate_hst', did you mean 'edr.isolate_host'?"),
        (12, 22, "`itm` uses the unknown name 'itm', did you mean 'item'?"),
        (15, 24, "the key 'type' is missing"),
        (15, 25, "unknown key 'typ', did you mean 'type'?"),
        (18, 17, "the key 'most' is missing"),
        (18, 33, "unknown key 'mots', did you mean 'most'?"),
        (20, 17, "the id 'isolate' is used by an earlier step; each is unique in the playbook"),
        (
            22,
            21,
            "'isolate' needs 'hosts', which is outside of every block; a step needs only steps of its own block",
        ),
        (23, 13, "a step has exactly one kind, and this has 'wait' and 'set'; make each a step of its own"),
    ]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (["id: a, each: x, steps: [{id: b, set: {}}]"], "'each' is a list, or an expression"),
        (["id: a, each: 5, steps: [{id: b, set: {}}]"], "'each' is a list, or an expression"),
        (["id: a, each: [], steps: []"], "'each' needs 'steps'"),
        (["id: a, each: [], steps: [{id: b, sett: {}}]"], "a step needs one of"),
        (["id: a, each: '${ inputs.address }', steps: [{id: b, set: {}}]"], "'each' needs a list"),
        (["id: a, each: 'x ${ 1 }', steps: [{id: b, set: {}}]"], "'each' needs a list"),
        ([HOSTS, "id: b, needs: [isolate], set: {}"], "'b' needs 'isolate', which is inside 'hosts'"),
        (["id: a, each: [1], timeout: 31d, steps: [{id: b, set: {}}]"], "'each' may take 30d at most"),
        (
            ["id: a, repeat: {until: 'true', most: 1, every: 2d}, steps: [{id: b, set: {}}]"],
            "two turns is 1d at most",
        ),
        (["id: a, repeat: {most: 1}, steps: [{id: b, set: {}}]"], "either 'until' or 'while'"),
        (
            ["id: a, repeat: {until: '${ true }', most: 1}, steps: [{id: b, set: {}}]"],
            "write it without ${ }",
        ),
        (["id: a, run: sample"], "'a' runs the playbook in which it is written"),
        (["id: a, run: Other"], "'Other' is no name"),
        (["id: a, run: other, timeout: 31d"], "may take 30d at most"),
        (["id: a, script: {python: x}, timeout: 16m"], "a script may take 15m at most"),
        (["id: a, script: {python: x, shell: x}"], "either 'python' or 'shell'"),
        (["id: a, wait: {until: tomorrow}"], "'tomorrow' is no moment"),
        (["id: a, wait: {until: '2026-12-31T18:00:00'}"], "is no moment"),
        (["id: a, wait: {for: 366d}"], "a wait takes 365d at most"),
        (["id: a, wait: {event: e, key: k, within: 366d}"], "a wait takes 365d at most"),
        (["id: a, wait: {event: e, key: '${ inputs.x }'}"], "unknown name 'x' in inputs"),
        (["id: a, wait: {event: e}"], "'event' and 'key' come together"),
        ([f"id: a, ask: Who?, {WHO}"], "a question needs 'fields'"),
        (
            [f"id: a, ask: Who?, fields: {{n: {{type: integer, default: x}}}}, {WHO}"],
            "'x' is not a whole number",
        ),
        ([f"id: a, ask: Who?, fields: {{n: {{type: ip}}}}, {WHO}, within: 366d"], "open for 365d at most"),
        ([f"id: a, ask: Who?, fields: {{n: {{type: ip}}}}, {WHO}, late: deny"], "one of 'fail' or 'hold'"),
        ([f"id: a, approve: Go?, {SEATS}, late: fail"], "one of 'deny', 'escalate' or 'hold'"),
        (
            ["id: a, do: accounts.new_password, with: {user: u}, secret_outputs: [pasword]"],
            "did you mean 'password'?",
        ),
        (
            ["id: a, do: assets.find_owner, with: {address: x}, expires: 1h"],
            "has no undo, so it cannot expire",
        ),
        (["id: a, do: edr.isolate_host, with: {host: x}, expires: 366d"], "after 365d at most"),
        (
            ["id: a, do: edr.isolate_host, with: {host: x}, undo: {none: why}, expires: 1h"],
            "says that it has no undo",
        ),
        (["id: a, each: [x], steps: [{id: w, do: disks.wipe, with: {host: h}}]"], "'w' destroys"),
        (
            [
                f"id: a, each: [1], steps: [{{id: g, approve: Go?, {SEATS}}}]",
                "id: w, do: disks.wipe, with: {host: h}",
            ],
            "'w' destroys",
        ),
        ([reading("item")], "'item' is not known in 'reader'; it exists only inside a step with 'each'"),
        ([HOSTS, reading("item")], "'item' is not known in 'reader'"),
        ([reading("turn")], "it exists only inside a step with 'repeat'"),
        (["id: a, each: ['${ item }'], steps: [{id: b, set: {}}]"], "'item' is not known in 'a'"),
        (
            [HOSTS, reading("steps.isolate.state")],
            "inside 'hosts' and cannot be seen from 'reader'; read steps.hosts.outputs.results",
        ),
        (
            [WATCH, reading("steps.look.state")],
            "name it in the 'outputs' of 'watch', and read steps.watch.outputs.<name>",
        ),
        ([HOSTS, reading("steps.hosts.outputs.host")], "unknown name 'host' in steps.hosts.outputs"),
        ([WATCH, reading("steps.watch.outputs.valeu")], "did you mean 'value'?"),
        (
            ["id: a, each: [1], steps: [{id: b, set: {x: '${ steps.a.state }'}}]"],
            "'b' is inside 'a', which has not ended",
        ),
        (["id: a, wait: {for: 5m}", reading("steps.a.outputs.arrived")], "unknown name 'outputs' in steps.a"),
        (["id: a, wait: {event: e, key: k}", reading("steps.a.outputs.arived")], "did you mean 'arrived'?"),
        ([SECRET, reading("steps.new.outputs.password")], "'password' is secret"),
        ([SECRET, reading("steps.new.outputs")], "holds the secret 'password'"),
        ([SECRET, "id: b, when: steps.new.outputs.password != '', set: {}"], "'password' is secret"),
        (
            [
                SECRET,
                f"id: b, do: accounts.tell, with: {{user: '{PASSWORD}', password: x}}",
            ],
            "'password' is secret",
        ),
        (
            [
                SECRET,
                f"id: b, do: accounts.tell, with: {{user: u, password: 'x {PASSWORD}'}}",
            ],
            "'password' is secret",
        ),
        (
            [
                SECRET,
                "id: b, do: accounts.tell, with: {user: u, password: \"${ steps.new.outputs.password + 'x' }\"}",
            ],
            "'password' is secret",
        ),
        (
            [SECRET, f"id: b, run: other, with: {{password: '{PASSWORD}'}}"],
            "'password' is secret",
        ),
    ],
)
def test_one_fault_is_named_once(steps: list[str], message: str) -> None:
    found = of_steps(*steps)
    assert len(found) == 1
    assert message in found[0]


@pytest.mark.parametrize(
    "steps",
    [
        [HOSTS, reading("steps.hosts.outputs.results[0].outputs.host")],
        [
            HOSTS,
            WATCH,
            "id: b, when: steps.hosts.outputs.failed == 0 && steps.watch.outputs.turns < 3, set: {}",
        ],
        [
            "id: a, set: {x: 1}",
            "id: b, each: [1], steps: [{id: c, set: {y: '${ steps.a.outputs.x + item }'}}]",
        ],
        [
            (
                "id: a, each: [1], outputs: {z: '${ steps.c.outputs.y + item }'}, "
                "steps: [{id: c, set: {y: 1}}, {id: d, repeat: {while: steps.e.outputs.v < item, most: 3}, "
                "steps: [{id: e, set: {v: '${ turn + steps.c.outputs.y }'}}]}]"
            )
        ],
        [
            f"id: a, ask: Who?, fields: {{n: {{type: string, default: ''}}}}, {WHO}",
            reading("steps.a.outputs.n"),
        ],
        [f"id: a, ask: Who?, fields: {{n: {{type: list}}}}, {WHO}", reading("steps.a.answered_by")],
        ["id: a, wait: {event: e, key: k, late: go_on}", "id: b, when: steps.a.outputs.arrived, set: {}"],
        ["id: a, wait: {until: '2026-12-31T18:00:00Z'}", "id: b, wait: {until: '${ now }'}"],
        ["id: a, run: other, with: {x: 1}", reading("steps.a.outputs.whatever")],
        ["id: a, script: {shell: echo}, with: {x: '${ now }'}, timeout: 15m", reading("steps.a.outputs.x")],
        ["id: a, do: edr.isolate_host, with: {host: x}, expires: 24h"],
        [
            (
                "id: a, do: assets.find_owner, with: {address: x}, expires: 1h, "
                "undo: {do: edr.release_host, with: {host: x}}"
            )
        ],
        [SECRET, f"id: b, do: accounts.tell, with: {{user: u, password: '{PASSWORD}'}}"],
        [SECRET, reading("steps.new.outputs.hint")],
        [
            f"id: g, approve: Go?, {SEATS}",
            "id: a, each: [x], steps: [{id: w, do: disks.wipe, with: {host: '${ item }'}}]",
        ],
        [
            f"id: a, each: [x], steps: [{{id: g, approve: Go?, {SEATS}}}, {{id: w, do: disks.wipe, with: {{host: h}}}}]"
        ],
    ],
)
def test_what_is_right_has_no_problem(steps: list[str]) -> None:
    assert of_steps(*steps) == []


def blocks(depth: int) -> str:
    inner = "{id: s0, set: {}}"
    for level in range(1, depth):
        inner = f"{{id: s{level}, each: [1], steps: [{inner}]}}"
    return f"{HEAD}  - {inner}\n"


def test_eight_levels_are_the_most() -> None:
    assert problems(blocks(8)) == []
    assert problems(blocks(9)) == ["steps are nested 8 levels deep at most; make this a playbook to run"]


def test_five_hundred_steps_on_all_levels_together_are_the_most() -> None:
    inner = ", ".join(f"{{id: s{index}, set: {{}}}}" for index in range(499))
    text = f"{HEAD}  - id: a\n    each: [1]\n    steps: [{inner}]\n"
    assert problems(text) == []
    (problem,) = check(f"{text}  - id: one_more\n    set: {{}}\n", CATALOGUE).problems
    assert (problem.line, problem.message) == (8, "a playbook has at most 500 steps on all levels together")


def test_ten_thousand_items_are_the_most() -> None:
    items = ", ".join(["1"] * 10_000)
    step = "id: a, steps: [{id: b, set: {}}], each: "
    assert of_steps(f"{step}[{items}]") == []
    assert of_steps(f"{step}[{items}, 1]") == ["'each' has more than 10000 items"]


def test_a_quarter_of_a_mebibyte_is_the_most() -> None:
    text = f"{HEAD}  - {{id: a, set: {{}}}}\n"
    filled = text + "#" * (256 * 1024 - len(text))
    assert problems(filled) == []
    assert problems(filled + "#") == ["the document has 262145 bytes; at most 262144 are read"]


def test_a_block_with_a_fault_of_its_own_is_still_looked_into() -> None:
    assert of_steps("id: a, each: [1], at_once: 0, steps: [{id: b, set: {x: '${ itm }'}}]") == [
        "'at_once' has to be at least 1",
        "`itm` uses the unknown name 'itm', did you mean 'item'?",
    ]


def test_a_fault_inside_does_not_hide_what_is_missing_outside() -> None:
    assert of_steps("id: a, each: 5, steps: [{id: b, sett: {}}]") == [
        "'each' is a list, or an expression that gives one",
        (
            "a step needs one of 'do', 'approve', 'ask', 'wait', 'run', 'each', 'repeat', 'set' and 'script', "
            "which says what it does"
        ),
    ]
