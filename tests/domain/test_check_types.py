"""Types are told where they are known, and what is not known is never a problem."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from playbooks.domain.check import check
from playbooks.domain.expression_types import Types
from playbooks.domain.expressions import ExpressionError, evaluate
from tests.domain.language import CATALOGUE, problems

HEAD = """
playbook: sample
title: A sample
inputs:
  address: {type: ip}
  count: {type: integer, default: 5}
  ratio: {type: number, default: 0.5}
  urgent: {type: boolean, default: false}
  hosts: {type: list, default: []}
steps:
  - {id: find, do: edr.find_hosts, with: {user: u}}
  - {id: look, do: reputation.lookup_address, with: {address: a}}
  - {id: gate, approve: Go?, seats: [{role: tier-2}]}
"""


def of_steps(*steps: str) -> list[str]:
    return problems(HEAD + "".join(f"  - {{{step}}}\n" for step in steps))


def setting(expression: str) -> list[str]:
    return of_steps(f'id: a, set: {{x: "${{ {expression} }}"}}')


def blocking(address: str, hours: str) -> list[str]:
    return of_steps(f"id: a, do: nftables.block_address, with: {{address: {address}, hours: {hours}}}")


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("inputs.count > '5'", "`inputs.count > '5'` compares a whole number with text"),
        ("inputs.address == 5", "compares text with a whole number"),
        ("'5' in inputs.count", "looks for text in a whole number"),
        ("inputs.count in ['1']", "looks for a whole number in a list"),
        ("inputs.count + 'x'", "uses '+' on a whole number and text"),
        ("inputs.count * 1.5", "uses '*' on a whole number and a number"),
        ("inputs.address.city", "reads a field of text, which has none"),
        ("inputs.hosts && true", "uses '&&' on a list and true or false"),
        ("inputs.count ? 1 : 2", "asks whether a whole number is true"),
        ("size(inputs.urgent)", "uses 'size' on true or false"),
        ("steps.look.outputs.score == 'high'", "compares a whole number with text"),
        ("steps.look.state == 1", "compares text with a whole number"),
        ("steps.gate.approvers == 'me'", "compares a list with text"),
        ("alert.severity == 'high'", "compares a whole number with text"),
        ("alert.observables.ip + 1", "uses '+' on a list and a whole number"),
        ("alert.observables.ip[0] > 1", "compares text with a whole number"),
        ("timestamp(now)", "gives a timestamp, which cannot be recorded; write string(…)"),
        ("now > 5", "compares text with a whole number"),
    ],
)
def test_an_expression_that_cannot_be_evaluated_is_a_problem(expression: str, message: str) -> None:
    (found,) = setting(expression)
    assert message in found


@pytest.mark.parametrize(
    "expression",
    [
        "inputs.count > 5.5 || inputs.count == 5.0 || inputs.count in [1.0, 2.0]",
        "inputs.ratio * 2 > 1 && inputs.ratio * 1.5 < 3.0",
        "inputs.count > 0 ? inputs.count : 'none'",
        "inputs.address == null || inputs.count != null",
        "has(inputs.count) && has(alert.title)",
        "[inputs.count, inputs.address]",
        "dyn(inputs.count) == 'x'",
        "inputs.hosts[0].name == 5 || inputs.hosts[0] == 'x'",
        "inputs.hosts == ['a'] || steps.look.outputs.sources == [1]",
        "steps.look.outputs.sources + [1]",
        "timestamp(now) > timestamp(alert.detected_at) - duration('5m')",
        "string(timestamp(now))",
        "run.anything + case.anything",
        "alert.rule.name == 5",
        "alert.observables.ip.exists(each, each == inputs.address)",
        "steps.find.outputs.hosts.map(host, host.name)",
        "steps.find.outputs.hosts.filter(host, host.risk > 5).size()",
        "{'a': inputs.count, 'b': inputs.address}",
    ],
)
def test_what_can_be_evaluated_or_is_not_known_is_no_problem(expression: str) -> None:
    assert setting(expression) == []


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (
            blocking("x", "'${ inputs.address }'"),
            "input 'hours' of nftables.block_address wants a whole number",
        ),
        (blocking("'${ inputs.count }'", "1"), "wants text, and this gives a number"),
        (blocking("'${ inputs.hosts }'", "1"), "wants text, and this gives a list"),
        (blocking("x", "'${ inputs.count } h'"), "wants a whole number, and this gives text"),
        (
            of_steps("id: a, when: inputs.count, set: {}"),
            "a condition is true or false, and this gives a number",
        ),
        (
            of_steps("id: a, when: inputs.address, set: {}"),
            "a condition is true or false, and this gives text",
        ),
        (
            of_steps("id: a, repeat: {until: turn, most: 5}, steps: [{id: b, set: {}}]"),
            "a condition is true or false, and this gives a number",
        ),
        (
            of_steps("id: a, repeat: {until: turn > '5', most: 5}, steps: [{id: b, set: {}}]"),
            "compares a whole number with text",
        ),
        (of_steps("id: a, each: '${ inputs.count }', steps: [{id: b, set: {}}]"), "'each' needs a list"),
        (of_steps("id: a, wait: {until: '${ inputs.count }'}"), "'until' has to be a moment as text"),
        (
            of_steps("id: a, each: [1, 2], steps: [{id: b, when: item == 'x', set: {}}]"),
            "compares a whole number with text",
        ),
        (
            of_steps(
                "id: a, each: '${ steps.find.outputs.hosts }', steps: [{id: b, when: item.risk == 'x', set: {}}]"
            ),
            "compares a whole number with text",
        ),
        (
            of_steps(
                "id: a, each: '${ steps.find.outputs.hosts }', "
                "steps: [{id: b, do: edr.isolate_host, with: {host: '${ item.risk }'}}]"
            ),
            "input 'host' of edr.isolate_host wants text, and this gives a number",
        ),
        (
            of_steps(
                "id: a, ask: Who?, fields: {n: {type: integer, default: '${ inputs.address }'}}, who: {role: r}"
            ),
            "the default of 'n' wants a whole number, and this gives text",
        ),
    ],
)
def test_what_does_not_fit_its_place_is_a_problem(found: list[str], message: str) -> None:
    assert len(found) == 1
    assert message in found[0]


@pytest.mark.parametrize(
    "found",
    [
        blocking("'${ inputs.address }'", "'${ inputs.count }'"),
        blocking("'${ inputs.count } hours'", "'${ inputs.ratio }'"),
        blocking("'${ case.title }'", "'${ run.x }'"),
        of_steps("id: a, when: inputs.urgent, set: {}", "id: b, when: run.x, set: {}"),
        of_steps(
            "id: a, each: '${ inputs.hosts }', steps: [{id: b, when: item == 5 || item.x == 'y', set: {}}]"
        ),
        of_steps("id: a, each: [1, x], steps: [{id: b, when: item == 'x', set: {}}]"),
        of_steps("id: a, set: {x: 5}", "id: b, when: steps.a.outputs.x > 4, set: {}"),
        of_steps("id: a, set: {x: '${ 5 }'}", "id: b, when: steps.a.outputs.x == 'y', set: {}"),
    ],
)
def test_what_fits_or_may_fit_is_no_problem(found: list[str]) -> None:
    assert found == []


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ("{type: ip, default: nowhere}", "the default of 'x': 'nowhere' is not an IP address."),
        ("{type: integer, default: 1.5}", "1.5 is not a whole number."),
        ("{type: list, default: a}", "'a' is not a list."),
        ("{type: string, default: 5}", "5 is not a text."),
        ("{type: integer, default: '${ alert.title }'}", "wants a whole number, and this gives text"),
        ("{type: list, default: '${ alert.severity }'}", "wants a list, and this gives a number"),
    ],
)
def test_a_default_that_cannot_be_accepted_is_a_problem(declared: str, message: str) -> None:
    (found,) = problems(f"playbook: a\ntitle: A\ninputs: {{x: {declared}}}\nsteps: [{{id: s, set: {{}}}}]")
    assert message in found


def test_the_type_of_a_faulty_input_is_not_known() -> None:
    text = HEAD.replace("type: integer", "type: integr") + "  - {id: a, when: inputs.count > 5, set: {}}\n"
    assert [each.message.partition(",")[0] for each in check(text, CATALOGUE).problems] == [
        "'type' is one of 'ip'"
    ]


SCHEMAS: dict[str, dict[str, object]] = {
    "inputs.text": {"type": "string"},
    "inputs.whole": {"type": "integer"},
    "inputs.number": {"type": "number"},
    "inputs.flag": {"type": "boolean"},
    "inputs.texts": {"type": "array", "items": {"type": "string"}},
    "inputs.any": {},
    "inputs.host": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "risk": {"type": "integer"}},
    },
}
TYPES = Types(SCHEMAS)
LITERALS = ["1", "2.5", "'x'", "true", "null", "['x']", "[1]", "{'a': 1}"]
NAMES = [*SCHEMAS, "inputs.host.name", "inputs.host.risk", "inputs.texts[0]"]
BINARY = ["+", "-", "*", "==", "!=", "<", ">=", "in"]


@st.composite
def values(draw: st.DrawFn) -> dict[str, object]:
    """Inputs that their schemas allow."""
    text, whole = st.sampled_from(["", "x", "y"]), st.integers(-3, 3)
    number = st.one_of(whole, st.floats(-3, 3))
    anything = st.one_of(text, number, st.booleans(), st.none(), st.lists(text, max_size=2))
    return {
        "text": draw(text),
        "whole": draw(whole),
        "number": draw(number),
        "flag": draw(st.booleans()),
        "texts": draw(st.lists(text, min_size=1, max_size=2)),
        "any": draw(anything),
        "host": {"name": draw(text), "risk": draw(whole)},
    }


def expressions() -> st.SearchStrategy[str]:
    """Any combination in which nothing is passed by, whether or not its types fit."""

    def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.builds(
                lambda one, sign, other: f"({one} {sign} {other})", inner, st.sampled_from(BINARY), inner
            ),
            st.builds(
                lambda of, one: f"{of}({one})", st.sampled_from(["size", "string", "!", "-", "dyn"]), inner
            ),
            st.builds(lambda one, other: f"[{one}, {other}]", inner, inner),
        )

    return st.recursive(st.sampled_from(NAMES + LITERALS), larger, max_leaves=6)


JSON_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}


@given(expressions(), values())
def test_no_expression_that_has_a_value_is_called_impossible(source: str, given_: dict[str, object]) -> None:
    """But for comparisons, which are told when they can never hold."""
    try:
        value = evaluate(source, {"inputs": given_})
    except ExpressionError:
        assume(False)
    judged = TYPES.judge(source)
    if judged.problem:
        assert "compares" in judged.problem or "looks for" in judged.problem
    if judged.gives is not None:
        assert JSON_TYPES.get(type(value), "null") in judged.gives


BY_TYPE = {
    "string": ["inputs.text", "inputs.host.name", "inputs.texts[0]", "'x'", "string(inputs.number)"],
    "integer": ["inputs.whole", "inputs.host.risk", "2", "size(inputs.texts)", "inputs.any"],
    "boolean": ["inputs.flag", "true", "inputs.text in inputs.texts", "inputs.any"],
}
OPERATIONS = {
    "string": [("{} + {}", "string", "string"), ("({} ? {} : 'y')", "boolean", "string")],
    "integer": [("({} + {})", "integer", "integer"), ("size({} + {})", "string", "string")],
    "boolean": [
        ("({} > {})", "integer", "integer"),
        ("({} == {})", "string", "string"),
        ("({} && {})", "boolean", "boolean"),
    ],
}


@st.composite
def well_typed(draw: st.DrawFn, kind: str, depth: int = 3) -> str:
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(BY_TYPE[kind]))
    form, one, other = draw(st.sampled_from(OPERATIONS[kind]))
    return form.format(draw(well_typed(one, depth - 1)), draw(well_typed(other, depth - 1)))


@given(st.data(), st.sampled_from(sorted(BY_TYPE)))
def test_a_well_typed_expression_has_no_problem(data: st.DataObject, kind: str) -> None:
    judged = TYPES.judge(data.draw(well_typed(kind)))
    assert judged.problem == ""
    assert judged.gives is None or kind in judged.gives
