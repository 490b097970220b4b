"""Nothing is written without an entry in the audit log: read from the source of the program.

A transaction counts when its own block reaches `audit.append`, `change.note` or `change.note_step`, itself or
through functions of its module. That is no proof that every path does; the tests of the operations look at their
entries. But a new operation without any entry fails here, by its name.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from playbooks.domain.verbs import Verb

PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"
MODULES = sorted(path for path in PLAYBOOKS.rglob("*.py") if "migrations" not in path.parts)
OPERATIONS = sorted((PLAYBOOKS / "operations").glob("*.py"))
VERBS = PLAYBOOKS / "domain" / "verbs.py"

RECORDS = {"audit.append", "change.note", "change.note_step"}
WRITES = {"create", "bulk_create", "get_or_create", "update_or_create", "save", "update", "delete"}
MOVES = {  # of operations/moves.py, and what statements.py writes
    *("move", "move_many", "move_step", "move_steps", "wait", "claim", "settle", "settle_with_step"),
    *("write", "_write", "store", "statements.store"),
}

RECORDED_ELSEWHERE = {
    "people.create_within": "operations/people.py notes what is done to a person for its callers",
    "people.deactivate_within": "operations/people.py notes what is done to a person for its callers",
    "people.grant_within": "operations/people.py notes what is done to a person for its callers",
    "people.revoke_within": "operations/people.py notes what is done to a person for its callers",
    "requests.close": "operations/requests.py notes how a request ends for its callers",
    "lose": "executor/settle.py notes the loss of an attempt for its callers",
    "note_started": "operations/creation.py notes the start of a run for its callers",
    "begin": "operations/runs.py notes the start of a run for its callers",
    "timers.fire": "executor/timers.py notes what the time did to a step for its callers",
    "arrive": "operations/waits.py notes what came for a step for its callers",
}

SILENT = {
    "operations.grants.name_within": "the restriction of the case has an entry with all who are named on it",
    "executor.sweep._call": "a hold has its own entries; the claim of the step that goes on has one",
    "operations.children.ask_to_roll_back": "the rollback that it is a part of has an entry, and so has its end",
    "operations.children.tell_parent": "marks a step as due; the end of the run has its own entry",
    "operations.creation.create_run": "note_started writes the entry, once the run has its steps",
    "operations.creation.create_steps": "the start of the run, or of the block, has its own entry",
    "operations.rollbacks.create_undoing_steps": "the start of the rollback has an entry with its plan",
    "operations.approvals.fill_seats": "who sits where follows from the decisions, which have entries",
    "operations.letting_through.let_through": "that the request was granted or passed has an entry",
    "operations.requests.go_on": "the entry of the escalation names those to whom it goes on",
    "operations.withdrawals._take_back": "both that it is called with, beside it, note what they take back",
    "operations.statements.write": "whoever writes a row says why; statements only writes",
    "operations.statements.store": "whoever writes a row says why; statements only writes",
    "operations.turns.begin": "the end of the block has an entry, and so has each step in it",
    "operations.turns.drop_pending": "the end of the block has an entry with the number of its turns",
    "operations.turns.end": "the end of the block has an entry, and so has each step in it",
    "operations.moves.write_foreseen": "whoever moves a row says why; moves only writes",
    "operations.turns.take_up": "the end of the block has an entry, and so has each step in it",
    "operations.turns.start_next": "the end of the block has an entry, and so has each step in it",
    "executor.perform._simulate": "what a simulator believes is no fact; the claim and the outcome have entries",
    "operations.idempotency.keep": "kept in the transaction of a change, which has its own entry",
    "operations.deliveries.take": "what is told has the entry of the fact; that notices stop arriving has one",
    "operations.deliveries.sent": "what is told has the entry of the fact; that notices stop arriving has one",
    "operations.notice_rules.try_channel": "a test message changes nothing and tells nobody else",
    "operations.notice_rules.try_mailbox": "a test message changes nothing and tells nobody else",
    "operations.notices.tell": "told in the transaction of the fact, which has its own entry",
    "operations.notices.tell_there": "a test message changes nothing and tells nobody else",
    "operations.moves.claim": "whoever moves a row says why; moves only writes",
    "operations.moves.move": "whoever moves a row says why; moves only writes",
    "operations.moves.move_many": "whoever moves a row says why; moves only writes",
    "operations.moves.move_step": "whoever moves a row says why; moves only writes",
    "operations.moves.move_steps": "whoever moves a row says why; moves only writes",
    "operations.moves.settle": "whoever moves a row says why; moves only writes",
    "operations.moves.settle_with_step": "whoever moves a row says why; moves only writes",
    "operations.moves.wait": "whoever moves a row says why; moves only writes",
    "operations.people.note_use": "a token is used at every call; what the call does has its own entry",
    "operations.stepup.begin": "a challenge is worth nothing; what answers it has an entry, whether it proves or not",
    "operations.stepup.use": "uses a proof in the transaction of what needs it, which has its own entry",
    "operations.stepup.require": "uses a proof in the transaction of what needs it, which has its own entry",
    "operations.requests.tell_deadline": "repeats on the gate the deadline that the request's entry names",
}


@dataclass(frozen=True)
class Module:
    name: str
    tree: ast.Module

    @property
    def definitions(self) -> Mapping[str, ast.stmt]:
        """What stands at the top of the module, by name: functions, classes, and tables of them."""
        found: dict[str, ast.stmt] = {}
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found[node.name] = node
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found |= {target.id: node for target in targets if isinstance(target, ast.Name)}
        return found

    def functions(self) -> Iterator[ast.FunctionDef]:
        yield from (node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef))

    def reached(self, *start: ast.stmt) -> Iterator[ast.AST]:
        """Every node of `start` and of all that it names, directly or not, in this module."""
        definitions, seen, waiting = self.definitions, set[str](), list(start)
        while waiting:
            for node in ast.walk(waiting.pop()):
                yield node
                if isinstance(node, ast.Name) and node.id in definitions and node.id not in seen:
                    seen.add(node.id)
                    waiting.append(definitions[node.id])

    def called(self, *start: ast.stmt) -> set[str]:
        return {ast.unparse(node.func) for node in self.reached(*start) if isinstance(node, ast.Call)}

    def is_recorded(self, *start: ast.stmt) -> bool:
        return bool(self.called(*start) & (RECORDS | set(RECORDED_ELSEWHERE)))

    def is_finished(self, *start: ast.stmt) -> bool:
        """What a `Change` has noted is appended by its `finish`, and lost without."""
        called = self.called(*start)
        return "Change" not in called or "change.finish" in called

    def writes(self, start: ast.stmt) -> bool:
        for node in self.reached(start):
            match node:
                case ast.Call(func=ast.Attribute(attr=name)) if name in WRITES | MOVES:
                    return True
                case ast.Call(func=ast.Name(id=name)) if name in MOVES:
                    return True
        return False


def parse(path: Path) -> Module:
    name = ".".join(path.relative_to(PLAYBOOKS).with_suffix("").parts)
    return Module(name, ast.parse(path.read_text(encoding="utf-8")))


def transactions(module: Module) -> Iterator[tuple[str, list[ast.stmt]]]:
    """The blocks of the module that end in a commit, each with the name of its function."""
    for function in module.functions():
        for node in ast.walk(function):
            if isinstance(node, ast.With) and any(
                ast.unparse(item.context_expr) == "transaction.atomic(durable=True)" for item in node.items
            ):
                yield f"{module.name}.{function.name}", node.body


def silent_transactions(module: Module) -> set[str]:
    return {
        name
        for name, body in transactions(module)
        if not (module.is_recorded(*body) and module.is_finished(*body))
    }


def silent_operations(module: Module) -> set[str]:
    """The public functions that write and record nothing, in a transaction of their own or their caller's."""
    return {
        f"{module.name}.{name}"
        for name, node in module.definitions.items()
        if isinstance(node, ast.FunctionDef)
        and not name.startswith("_")
        and module.writes(node)
        and not module.is_recorded(node)
    }


def test_every_transaction_and_every_operation_that_writes_leaves_an_entry() -> None:
    found = set().union(
        *(silent_transactions(parse(path)) for path in MODULES),
        *(silent_operations(parse(path)) for path in OPERATIONS),
    )
    assert not found - set(SILENT), "add an entry to the log, or a reason to SILENT"
    assert not set(SILENT) - found, "these are silent no more: take them out of SILENT"


def test_the_operations_are_found() -> None:
    """Were a transaction opened in another way, all the above would pass for want of anything to look at."""
    found = {name for path in MODULES for name, _ in transactions(parse(path))}
    assert {"operations.approvals.decide", "executor.claims.claim_next", "executor.sweep._recover"} <= found
    assert len(found) > 20


ERASE = "def erase(row):\n    with transaction.atomic(durable=True):\n        row.delete()\n"


@pytest.mark.parametrize(
    ("source", "is_silent"),
    [
        (ERASE, True),
        (ERASE + "    audit.append(row)", True),  # after the commit
        (ERASE + "        audit.append(row)", False),
        (ERASE + "        change = Change(row)\n        change.note(row)", True),
        (ERASE + "        change = Change(row)\n        change.note(row)\n        change.finish()", False),
        (ERASE + "        _tell(row)\ndef _tell(row):\n    audit.append(row)", False),
        (ERASE + "        WAYS[row](row)\ndef _tell(row):\n    change.note(row)\nWAYS = {1: _tell}", False),
    ],
)
def test_an_operation_without_an_entry_is_caught(source: str, is_silent: bool) -> None:
    module = Module("new", ast.parse(source))
    assert silent_transactions(module) == ({"new.erase"} if is_silent else set())


def test_every_verb_is_used() -> None:
    """The list of verbs is what auditors read: it promises nothing that the program never says."""
    used = {
        node.attr
        for path in MODULES
        if path != VERBS
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Verb"
    }
    assert used == {verb.name for verb in Verb}
