"""Random playbooks: any order, any kind of step, blocks in blocks, guards, retries, gates and rollback."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import yaml

Step = dict[str, Any]

KINDS = {"do": 54, "approve": 8, "wait": 6, "set": 6, "destroy": 4, "ask": 5, "event": 4}
BLOCKS = {"each": 6, "repeat": 5}
ACTIONS = ("safe", "keyed", "lookup", "never", "read", "message")
MOST_STEPS = 9
NAMED = {"each": "item", "repeat": "turn"}


def playbook(random: Random, slug: str, others: Sequence[str] = ()) -> str:
    """The text of a playbook named `slug`, which may run the `others`."""
    text = {
        "playbook": slug,
        "title": slug,
        "steps": Drawing(random, others).steps(random.randrange(2, 8)),
        "on_failure": random.choice(["stop", "rollback"]),
    }
    return yaml.safe_dump(text, sort_keys=False)


class Drawing:
    """`above` are, for each step drawn so far, all that ended before it; `turns` tells the turns of blocks apart."""

    def __init__(self, random: Random, others: Sequence[str]) -> None:
        self.random = random
        self.others = others
        self.above: dict[str, set[str]] = {}
        self.kinds: dict[str, str] = {}

    def steps(self, most: int, turns: str = "", outer: frozenset[str] = frozenset()) -> list[Step]:
        """Steps of one block, at most so many. `outer` have ended before any of them begins."""
        drawn: list[Step] = []
        for _ in range(most):
            if len(self.above) < MOST_STEPS:
                drawn += self._some(drawn, turns, outer)
        return drawn or [self._step("set", [], turns, outer)]

    def _some(self, before: list[Step], turns: str, outer: frozenset[str]) -> list[Step]:
        kind = self._kind(turns)
        if kind != "destroy":
            return [self._step(kind, before, turns, outer)]
        gate = self._step("approve", before, turns, outer)
        return [gate, self._step("destroy", [gate], turns, outer)]

    def _kind(self, turns: str) -> str:
        kinds = dict(KINDS)
        # Inside each other both names stay in reach, twice the same would not.
        kinds |= {kind: weight for kind, weight in BLOCKS.items() if NAMED[kind] not in turns}
        if self.others and not turns:
            kinds["run"] = 5
        return self.random.choices(list(kinds), list(kinds.values()))[0]

    def _step(self, kind: str, before: list[Step], turns: str, outer: frozenset[str]) -> Step:
        key = f"s{len(self.above)}"
        step: Step = {"id": key}
        needs = (
            [before[-1]["id"]] if kind == "destroy" else self._needs(step, [each["id"] for each in before])
        )
        self.above[key] = set(outer).union(needs, *(self.above[need] for need in needs))
        self.kinds[key] = kind
        earlier = sorted(self.above[key])
        if kind != "destroy":
            self._guards(step, earlier)
        body: Step = getattr(self, f"_{kind}")(key, turns, earlier)
        return step | body

    def _needs(self, step: Step, before: list[str]) -> list[str]:
        """Writes them where they are not simply the step before."""
        if self.random.random() < 0.5 or not before:
            return before[-1:]
        step["needs"] = sorted(self.random.sample(before, self.random.randint(0, min(2, len(before)))))
        return list(step["needs"])

    def _guards(self, step: Step, earlier: list[str]) -> None:
        if self._happens(0.15):
            step["after"] = self.random.choice(["failure", "always"])
        if earlier and self._happens(0.15):
            sign = self.random.choice(["==", "!="])
            step["when"] = f'steps.{self.random.choice(earlier)}.state {sign} "succeeded"'

    def _do(self, key: str, turns: str, earlier: list[str]) -> Step:
        target = f"${{ run.id }}/{key}{turns}"
        step: Step = {"do": f"far.{self.random.choice(ACTIONS)}", "with": {"target": target}}
        acting = [each for each in earlier if self.kinds[each] == "do"]
        if acting and self._happens(0.2):
            step["with"]["note"] = f"${{ steps.{self.random.choice(acting)}.outputs.count }}"
        if self._happens(0.3):
            times, backoff = self.random.randint(1, 3), self.random.choice([1, 2])
            step["retry"] = {"times": times, "every": "3s", "backoff": backoff}
        if self._happens(0.2):
            step["timeout"] = f"{self.random.randint(1, 8)}s"
        if self._happens(0.1):
            step["undo"] = {"none": "It does no harm."}
        elif step["do"] not in {"far.read", "far.message"} and self._happens(0.1):
            step["expires"] = self.random.choice(["30s", "10m"])
        return step | self._forgiving()

    def _destroy(self, key: str, turns: str, earlier: list[str]) -> Step:
        return {"do": "far.destroy", "with": {"target": f"${{ run.id }}/{key}{turns}"}}

    def _approve(self, key: str, turns: str, earlier: list[str]) -> Step:
        roles = self.random.choice([["tier-2"], ["tier-2", "network-owner"]])
        return {
            "approve": f"Go on with {key}?",
            "seats": [{"role": role} for role in roles],
            "within": self.random.choice(["30s", "5m", "1h"]),
            "late": self.random.choice(["deny", "escalate", "hold"]),
        }

    def _ask(self, key: str, turns: str, earlier: list[str]) -> Step:
        return {
            "ask": f"Which ones for {key}?",
            "fields": {"names": {"type": "list"}},
            "who": {"role": "tier-2"},
            "within": self.random.choice(["30s", "1h"]),
            "late": self.random.choice(["fail", "hold"]),
            **self._forgiving(),
        }

    def _wait(self, key: str, turns: str, earlier: list[str]) -> Step:
        return {"wait": {"for": self.random.choice(["1s", "10s", "5m"])}}

    def _event(self, key: str, turns: str, earlier: list[str]) -> Step:
        within, late = self.random.choice(["30s", "1h"]), self.random.choice(["fail", "go_on"])
        return {"wait": {"event": "came", "key": "${ run.id }", "within": within, "late": late}}

    def _set(self, key: str, turns: str, earlier: list[str]) -> Step:
        return {"set": {"run": "${ run.id }", "states": [f"${{ steps.{each}.state }}" for each in earlier]}}

    def _run(self, key: str, turns: str, earlier: list[str]) -> Step:
        step: Step = {"run": self.random.choice(self.others), "detached": self._happens(0.3)}
        if not step["detached"] and self._happens(0.2):
            step["timeout"] = "10m"
        return step | self._forgiving()

    def _each(self, key: str, turns: str, earlier: list[str]) -> Step:
        asked = [each for each in earlier if self.kinds[each] == "ask"]
        items = [f"i{number}" for number in range(self.random.randint(0, 3))]
        return {
            "each": f"${{ steps.{asked[0]}.outputs.names }}" if asked else items,
            "at_once": self.random.randint(1, 3),
            "may_fail": self.random.randint(0, 2),
            "steps": self._inner(f"{turns}/${{ item }}", earlier),
            **self._forgiving(),
            **self._timeout(),
        }

    def _repeat(self, key: str, turns: str, earlier: list[str]) -> Step:
        loop: Step = {"most": self.random.randint(1, 3)}
        loop[self.random.choice(["until", "while"])] = self.random.choice(["turn < 2", "turn >= 2"])
        if self._happens(0.5):
            loop["every"] = "10s"
        inner = self._inner(f"{turns}/${{ turn }}", earlier)
        return {"repeat": loop, "steps": inner, **self._forgiving(), **self._timeout()}

    def _inner(self, turns: str, earlier: list[str]) -> list[Step]:
        return self.steps(self.random.randint(1, 3), turns, frozenset(earlier))

    def _forgiving(self) -> Step:
        return {"continue_on_failure": True} if self._happens(0.15) else {}

    def _timeout(self) -> Step:
        return {"timeout": self.random.choice(["1m", "1h"])} if self._happens(0.15) else {}

    def _happens(self, chance: float) -> bool:
        return self.random.random() < chance
