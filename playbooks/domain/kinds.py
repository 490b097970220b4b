"""The kinds of a step, and which keys mean something for which kind (playbooks.md, Step kinds)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

KINDS = ("do", "approve", "ask", "wait", "run", "each", "repeat", "set", "script")
BLOCKS = frozenset({"each", "repeat"})  # kinds that hold steps of their own
CALLS = frozenset({"do", "script", "run"})  # kinds that a worker takes up

DEADLINE = frozenset({"within", "by_severity", "calendar"})
# What a kind does not know is refused, never ignored: a gate can neither be forgiven nor retried.
KEYS_OF_KIND: Mapping[str, frozenset[str]] = {
    "do": frozenset(
        {"with", "using", "timeout", "retry", "undo", "expires", "secret_outputs", "continue_on_failure"}
    ),
    "approve": frozenset({"show", "seats", "deny", "late", "to"}) | DEADLINE,
    "ask": frozenset({"show", "fields", "who", "late", "continue_on_failure"}) | DEADLINE,
    "wait": frozenset({"continue_on_failure"}),
    "run": frozenset({"with", "detached", "timeout", "continue_on_failure"}),
    "each": frozenset({"steps", "at_once", "may_fail", "outputs", "timeout", "continue_on_failure"}),
    "repeat": frozenset({"steps", "outputs", "timeout", "continue_on_failure"}),
    "set": frozenset({"continue_on_failure"}),
    "script": frozenset({"with", "timeout", "retry", "secret_outputs", "continue_on_failure"}),
}
COMMON_KEYS = frozenset({"id", "title", "needs", "after", "when"})

# CEL's own words (cel-spec, langdef.md): none can be a step's id.
RESERVED = frozenset(
    {"true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if"}
    | {"import", "let", "loop", "package", "namespace", "return", "var", "void", "while"}
)


def kind_problem(keys: Collection[str]) -> str:
    """What is wrong with the kind of a step that has these keys, empty when it has exactly one."""
    kinds = [kind for kind in KINDS if kind in keys]
    if not kinds:
        return f"a step needs one of {_listed(KINDS)}, which says what it does"
    if len(kinds) > 1:
        return f"a step has exactly one kind, and this has {_listed(kinds)}; make each a step of its own"
    return ""


def foreign_keys(keys: Collection[str]) -> list[str]:
    """Which keys of a step of one kind belong to steps of other kinds, sorted."""
    kind = next(kind for kind in KINDS if kind in keys)
    others: frozenset[str] = frozenset().union(*KEYS_OF_KIND.values())
    return sorted((set(keys) & others) - KEYS_OF_KIND[kind])


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(repr(name) for name in names[:-1])} and {names[-1]!r}"
