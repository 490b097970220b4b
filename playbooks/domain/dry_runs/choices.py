"""What whoever asks for a dry run lets happen, so that every branch can be walked.

`{"gate": "deny", "block": "fail", "scope": {"hosts": ["a"]}, "reply": "late"}`: by the id of a step, which holds in
all its turns, or by its key, such as `hosts[3].isolate`. What is not chosen goes well: approved, answered with the
defaults, arrived, succeeded with the outputs of the example.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from playbooks.domain.definition import Definition
from playbooks.domain.frames import name_of
from playbooks.domain.playbook import Input, Step
from playbooks.domain.problems import nearest

WORDS: Mapping[str, tuple[str, ...]] = {
    "do": ("succeed", "fail"),
    "script": ("succeed", "fail"),
    "approve": ("approve", "deny", "late"),
    "ask": ("late",),
    "wait": ("arrives", "late"),
    "run": ("succeed", "fail"),
}
# Besides a word: the outputs that it would have, its answers, the event's data, the choices within the other playbook.
TAKES_VALUES = frozenset({"do", "script", "ask", "wait", "run"})

# Documentation's own names and addresses (RFC 2606, RFC 5737).
_EXAMPLES: Mapping[str, object] = {
    "ip": "192.0.2.1",
    "integer": 1,
    "number": 1,
    "boolean": True,
    "domain": "host.example",
    "url": "https://host.example/",
    "email": "somebody@host.example",
    "user": "somebody",
    "host": "host.example",
    "hash": "0" * 64,
    "list": ["example"],
}


class UnfitChoice(Exception):
    """A choice that cannot be. `errors` are (JSON pointer, sentence)."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        self.errors = errors
        super().__init__("; ".join(sentence for _, sentence in errors))


@dataclass(frozen=True, slots=True)
class Choices:
    """`pointer` is where they stand in what was posted."""

    chosen: Mapping[str, object]
    pointer: str = "/choose"

    def of(self, key: str) -> object:
        """The choice for the step with this key, None where there is none."""
        return self.chosen.get(key, self.chosen.get(name_of(key)))

    def word(self, key: str) -> str:
        chosen = self.of(key)
        return chosen if isinstance(chosen, str) else ""

    def values(self, key: str) -> Mapping[str, object] | None:
        chosen = self.of(key)
        return chosen if isinstance(chosen, Mapping) else None

    def within(self, key: str) -> Choices:
        """The choices for the playbook that the step runs."""
        return Choices(self.values(key) or {}, self.pointer_to(key))

    def pointer_to(self, key: str) -> str:
        used = key if key in self.chosen else name_of(key)
        return f"{self.pointer}/{used}"


def check_choices(choices: Choices, definition: Definition) -> None:
    """Raises UnfitChoice for steps that are not there, and words that mean nothing for their kind."""
    errors = []
    for key, chosen in choices.chosen.items():
        step = definition.steps.get(name_of(key))
        sentence = (
            f"There is no step {name_of(key)[:80]!r}{nearest(name_of(key), definition.steps)}"
            if step is None
            else _problem(step, chosen)
        )
        if sentence:
            errors.append((f"{choices.pointer}/{key}", sentence))
    if errors:
        raise UnfitChoice(errors)


def example_of(field: Input) -> object:
    return _EXAMPLES.get(field.type, "example")


def _problem(step: Step, chosen: object) -> str:
    words = WORDS.get(step.kind, ())
    if step.wait is not None and step.wait.event is None:
        words = ()
    if not words:
        return f"Nothing is to be chosen for '{step.id}': it always does what it says."
    if chosen in words or (isinstance(chosen, Mapping) and step.kind in TAKES_VALUES):
        return ""
    values = " or an object" if step.kind in TAKES_VALUES else ""
    return f"For '{step.id}' choose {' or '.join(words)}{values}, not {chosen!r:.80}."
