"""What tests of the waits do again and again: publish, start, drive, and let time go by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from playbooks import executor
from playbooks.models import Run, Step
from playbooks.operations import runs
from tests.cast import Cast, publish

Begin = Callable[..., Run]

ACT = """\
  - id: {id}
    do: fake.{action}
    using: {using}
    needs: []
    with: {{target: {target}}}
"""


def act(identifier: str = "act", target: str = "x", *, action: str = "keyed", using: str = "fake") -> str:
    """The text of one step that needs no other."""
    return ACT.format(id=identifier, action=action, using=using, target=target)


def published(cast: Cast, slug: str, steps: str, head: str = "") -> str:
    """The slug of a playbook with these steps, in force. `head` is text such as `inputs: …`."""
    publish(cast, f"playbook: {slug}\ntitle: {slug.capitalize()}\n{head}steps:\n{steps}")
    return slug


def start(cast: Cast, slug: str, *, simulate: bool = False, **inputs: object) -> Run:
    return runs.start(slug, caller=cast.caller("analyst"), inputs=inputs, simulate=simulate)


def drive(*driven: Run) -> None:
    for run in driven:
        executor.drive(run.pk, worker="test")
        run.refresh_from_db()


def after(**time: float) -> None:
    """What a sweep finds when so much time has gone by."""
    executor.sweep(now=timezone.now() + timedelta(**time))


def step_of(run: Run, key: str = "act") -> Step:
    return run.steps.get(key=key, round=0)
