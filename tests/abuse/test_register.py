"""The register of the abuse cases: each has tests with its number in their names, here or beside what it abuses."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
NUMBERED = re.compile(r"test_case_(\d\d)_")
CASES: Mapping[int, str] = {
    1: "a parameter changes after one of two approvals",
    2: "a new version is published while a run of the old is approved",
    3: "the same thing is shown and run differently",
    4: "the list of targets grows after the approval",
    5: "another object has the name of the approved one",
    6: "a playbook that is run by another is edited after the approval",
    7: "the connection changes after the approval",
    8: "a worker sends another payload than was approved",
    9: "an expression gives another value when it runs",
    10: "a used approval is replayed",
    11: "one's own request, also as superuser",
    12: "one's own request by a token or a service account",
    13: "a second account of the same person",
    14: "impersonation",
    15: "delegation to the requester",
    16: "one person for themselves and as substitute",
    17: "a chain of delegations",
    18: "the requester is changed, then approves",
    19: "an author approves runs of their own version",
    20: "the rule on the request is weakened",
    21: "the policy, team or role that a request needs is deleted",
    22: "a quorum is lowered, then asked for",
    23: "oneself or a friend gets the role after the request",
    24: "an administrator's save counts as approval",
    25: "teams are renamed to fake two",
    26: "one person with two roles",
    27: "a directory adds approvers minutes before",
    28: "all approvers are deactivated for a fallback",
    29: "an approver is disabled between approval and run",
    30: "a status is written by a lower door",
    31: "one's own id in the address, a foreign one in the body",
    32: "the protected playbook is started some other way",
    33: "what belongs to others is listed, counted or searched",
    34: "one big change is split into many small ones",
    35: "what destroys is called reading, or production a test",
    36: "an approval is forged by chat, mail or webhook",
    37: "forged forms, frames and scripts",
    38: "a second factor is replayed",
    39: "a proof is taken as given for who signs in elsewhere",
    40: "a stale session after a role was taken",
    41: "two for the last seat, or against denial, expiry, cancel",
    42: "two workers use one approval",
    43: "an approval against a policy that is tightened",
    44: "a double click",
    45: "a crash between using the approval and acting",
    46: "clocks and the moment of expiry",
    47: "break-glass without the right or the factor",
    48: "break-glass to change policy, grants, audit or keys",
    49: "break-glass longer or wider than granted",
    50: "reviewing one's own break-glass",
    51: "break-glass alone with a review overdue",
    52: "flooding with break-glass",
    53: "a decision's entry is deleted before the run",
    54: "nothing is signed, and something is to be destroyed",
    55: "the entry cannot be written",
    56: "an export is filtered to hide a denial",
    57: "a verifier is given the bundle's own key",
    58: "control characters, formulas and hidden characters in comments",
    59: "an approver of another team",
    60: "several decisions at once",
    61: "approving what comes later, or a permit past its caps",
    62: "a person under investigation in their own case",
}


@lru_cache(maxsize=1)
def numbered() -> dict[int, list[str]]:
    """The names of the tests of each case."""
    found: dict[int, list[str]] = defaultdict(list)
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and (number := NUMBERED.match(node.name)):
                found[int(number[1])].append(f"{path.name}::{node.name}")
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case}: {CASES[case]}")
def test_each_case_has_its_tests(case: int) -> None:
    assert numbered()[case]


def test_no_test_has_the_number_of_another_case() -> None:
    assert set(numbered()) <= set(CASES)
