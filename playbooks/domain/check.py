"""Every problem of a playbook's text at once, each with its place and the nearest valid name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from playbooks.domain.actions import Catalogue
from playbooks.domain.check_names import name_findings
from playbooks.domain.check_shape import read_shape
from playbooks.domain.check_steps import step_findings
from playbooks.domain.check_types import type_findings
from playbooks.domain.playbook import Playbook
from playbooks.domain.problems import Finding, Problem, Unreadable
from playbooks.domain.reader import Document, read_yaml


@dataclass(frozen=True, slots=True)
class Checked:
    """`playbook` is there exactly when there are no problems. Problems are sorted by place."""

    playbook: Playbook | None
    problems: tuple[Problem, ...]


def check(text: str, catalogue: Catalogue) -> Checked:
    """Checks a YAML text against the language and the actions of `catalogue`. Never raises for any text."""
    try:
        document = read_yaml(text)
    except Unreadable as error:
        return Checked(None, error.problems)
    shape = read_shape(document.data)
    findings = list(shape.findings)
    if shape.playbook is not None:
        findings += step_findings(shape.playbook, catalogue, shape.opaque)
        findings += name_findings(shape.playbook, catalogue, shape.opaque)
        said = {each.path for each in findings}
        types = type_findings(shape.playbook, catalogue, shape.opaque)
        findings += [each for each in types if each.path not in said]
    problems = _placed(document, findings)
    return Checked(None if problems else shape.playbook, problems)


def _placed(document: Document, findings: Iterable[Finding]) -> tuple[Problem, ...]:
    places = {True: document.place_of_key, False: document.place}
    return tuple(sorted({Problem(*places[each.at_key](each.path), each.message) for each in findings}))
