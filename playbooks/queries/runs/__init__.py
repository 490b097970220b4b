"""Runs: the list, one run with its steps and what it waits for, the turns of its blocks, and two runs compared."""

from playbooks.queries.runs.comparison import Comparison, StepComparison, comparison
from playbooks.queries.runs.rows import RunRow, row, runs
from playbooks.queries.runs.steps import AttemptView, StepView, step_rows, step_views
from playbooks.queries.runs.turns import (
    InnerStep,
    TurnPage,
    TurnView,
    turn_page,
    turn_rows,
    turn_view,
    turns_at,
)
from playbooks.queries.runs.view import (
    Part,
    RequestOfRun,
    RollbackRound,
    RunView,
    Window,
    run_part,
    run_view,
    unknown_steps,
)
from playbooks.queries.runs.waits import Wait

__all__ = [
    "AttemptView",
    "Comparison",
    "InnerStep",
    "Part",
    "RequestOfRun",
    "RollbackRound",
    "RunRow",
    "RunView",
    "StepComparison",
    "StepView",
    "TurnPage",
    "TurnView",
    "Wait",
    "Window",
    "comparison",
    "row",
    "run_part",
    "run_view",
    "runs",
    "step_rows",
    "step_views",
    "turn_page",
    "turn_rows",
    "turn_view",
    "turns_at",
    "unknown_steps",
]
