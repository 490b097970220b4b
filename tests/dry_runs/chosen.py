"""What is chosen for a random playbook: the same for its dry run and for the people and the far side of a real run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import yaml

CHANCES: Mapping[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "do": (("", "fail"), (6, 1)),
    "approve": (("", "deny", "late"), (6, 1, 1)),
    "ask": (("", "late"), (4, 1)),
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """By playbook and step; a step that is not there goes well."""

    words: Mapping[str, Mapping[str, str]]
    runs: Mapping[str, Mapping[str, str]]  # the playbooks that steps run

    def word(self, playbook: str, step: str) -> str:
        return self.words[playbook].get(step, "")

    def as_posted(self, playbook: str) -> dict[str, Any]:
        """As a dry run of the playbook takes them, with those of the playbooks that it runs inside."""
        within = {step: self.as_posted(slug) for step, slug in self.runs[playbook].items()}
        return {**self.words[playbook], **within}


def choose(random: Random, *texts: str) -> Chosen:
    words, runs = {}, {}
    for text in texts:
        document = yaml.safe_load(text)
        steps = list(_steps(document["steps"]))
        words[document["playbook"]] = _words(random, steps)
        runs[document["playbook"]] = {step["id"]: step["run"] for step in steps if "run" in step}
    return Chosen(words, runs)


def _words(random: Random, steps: list[dict[str, Any]]) -> dict[str, str]:
    """Events of a run share a key, so all of them come or none."""
    event = random.choice(["", "late"])
    found = {}
    for step in steps:
        kind = next((each for each in CHANCES if each in step), "")
        word = random.choices(*CHANCES[kind])[0] if kind else ""
        if "event" in step.get("wait", {}):
            word = event
        if word:
            found[step["id"]] = word
    return found


def _steps(steps: list[dict[str, Any]]) -> Any:
    for step in steps:
        yield step
        yield from _steps(step.get("steps", []))
