"""A far side with targets that are set or not, so that setting one again changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from playbooks.connectors.declaration import Binding, Connector, Context, Field
from playbooks.domain.actions import Undo
from playbooks.domain.outcomes import Outcome, Succeeded
from tests.executor.world import World, connector

TOKEN = Field(name="token", label="Token", kind="secret", required=False, help="", default=None)


@dataclass
class Lasting(World):
    """`is_set` are the targets that are set now; `tokens` are those with which it was called."""

    is_set: set[str] = field(default_factory=set)
    tokens: list[str] = field(default_factory=list)

    def set_target(self, context: Context, *, target: str = "") -> Outcome:
        changed = target not in self.is_set
        self.is_set.add(target)
        return self._done(context, f"set {target}", target, changed=changed)

    def unset_target(self, context: Context, *, target: str = "") -> Outcome:
        if self.outcomes:
            return self.outcomes.pop(0)
        changed = target in self.is_set
        self.is_set.discard(target)
        return self._done(context, f"unset {target}", target, changed=changed)

    def _done(self, context: Context, what: str, target: str, *, changed: bool) -> Outcome:
        self.order.append(what)
        self.tokens.append(context.secrets.reveal("token") if "token" in context.secrets else "")
        return Succeeded({"target": target, "changed": changed, "count": len(self.is_set)})


def lasting(world: Lasting) -> Connector:
    """The fake connector with `fake.set`, which `fake.unset` takes back."""
    fake = connector(world)
    known = {each.action.key: each for each in fake.bindings}
    back = Undo("fake.unset", {"target": "${ inputs.target }"})
    also = (
        _as(known["fake.keyed"], "fake.set", world.set_target, undo=back),
        _as(known["fake.undo"], "fake.unset", world.unset_target),
    )
    return replace(fake, fields=(TOKEN,), bindings=(*fake.bindings, *also))


def _as(binding: Binding, key: str, perform: Callable[..., Outcome], **changes: Undo) -> Binding:
    return replace(binding, action=replace(binding.action, key=key, **changes), perform=perform)  # type: ignore[arg-type]
