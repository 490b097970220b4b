"""Who has a hand in what a run would do, and may therefore not decide it (approvals.md, Influence).

A run may get what it works on from others: from the run that started it, from those that it started, from the run of
which it is a re-run. Whoever asked for one of them, answered a question there, said what became of a step or reported
an event has set what is to happen here as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from playbooks.models import Event, PlaybookVersion, Principal, Run, RunTrigger
from playbooks.operations.authors import authors_of
from playbooks.operations.definitions import definition_of
from playbooks.operations.statements import fetch, key

_ANSWERED_OR_RESOLVED = """
id IN (SELECT answered_by_id FROM playbooks_question WHERE run_id = %s
UNION SELECT resolved_by_id FROM playbooks_attempt JOIN playbooks_step ON playbooks_step.id = step_id WHERE run_id = %s)
ORDER BY id"""


def requesters_of(run: Run) -> dict[str, str]:
    """{id: name} of whoever asked for the run or gave it what it works on, directly or by another run."""
    people = [person for each in _family(run) for person in _hands(each) if person is not None]
    return {str(person.pk): str(person) for person in people}


def authors_behind(run: Run) -> dict[str, str]:
    """{id: name} of the authors of what runs, of what runs in turn, and of what started it with its inputs."""
    parent = run.parent
    return {**authors_of_all(run.version), **(authors_behind(parent.run) if parent else {})}


def through_of(run: Run) -> dict[str, str]:
    """{id: name} of whoever put in force what an alert then started, here or in a run that this one comes from."""
    started = [each.version for each in _family(run) if each.trigger == RunTrigger.ALERT]
    return {str(each.publisher.pk): str(each.publisher) for each in started if each.publisher is not None}


def authors_of_all(version: PlaybookVersion) -> dict[str, str]:
    """{id: name} of the authors of a version and of the versions that it pins."""
    pinned = PlaybookVersion.objects.filter(pk__in=[pin["version"] for pin in version.pins.values()])
    return authors_of(version) | _merged(authors_of_all(each) for each in (pinned if version.pins else ()))


def _merged(many: Iterator[Mapping[str, str]]) -> dict[str, str]:
    return {person: name for each in many for person, name in each.items()}


def _family(run: Run) -> list[Run]:
    """The run, and all from which something may have come to it."""
    found, ahead = {run.pk: run}, [run]
    while ahead:
        near = [each for each in _near(ahead.pop()) if each.pk not in found]
        found |= {each.pk: each for each in near}
        ahead += near
    return list(found.values())


def _near(run: Run) -> Iterator[Run]:
    if run.parent is not None:
        yield run.parent.run
    if run.repeats is not None:
        yield run.repeats
    if definition_of(run.version_id).pins:
        yield from Run.objects.filter(parent__run=run, is_detached=False)


def _hands(run: Run) -> Iterator[Principal | None]:
    yield run.requested_by
    yield from fetch(Principal, _ANSWERED_OR_RESOLVED, [key(Run, run.pk)] * 2)
    steps = definition_of(run.version_id).steps.values()
    if any(step.wait is not None and step.wait.event is not None for step in steps):
        yield from _reporters(run)


def _reporters(run: Run) -> Iterator[Principal | None]:
    """Whoever reported an event for which a step of the run waited."""
    waited = run.steps.filter(round=0).exclude(event="").values_list("event", "event_key").distinct()
    for name, about in waited:
        since = Event.objects.filter(name=name, key=about, received_at__gte=run.created_at)
        for event in since.select_related("posted_by"):
            yield event.posted_by
