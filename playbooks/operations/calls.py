"""What would run behind a gate, as an approval shows and binds it."""

from __future__ import annotations

from playbooks.domain.expressions import ExpressionError
from playbooks.domain.future_calls import FutureCall
from playbooks.domain.subject import Covered
from playbooks.models import Run
from playbooks.operations.actions import covered, covered_run, resolve
from playbooks.operations.definitions import definition_of

UNKNOWN = "How often this runs is not known yet."


def covered_call(run: Run, call: FutureCall) -> Covered:
    """The call as an approval shows it and binds it. Raises ExpressionError where not all of it is known."""
    if call.scope is None:
        raise ExpressionError(UNKNOWN)
    if call.document.kind == "run":
        definition = definition_of(run.version_id)
        return covered_run(definition, call.document, call.scope, call.key, is_simulated=run.simulates_all)
    return covered(run, resolve(run, call.document, call.scope), call.document, call.key)
