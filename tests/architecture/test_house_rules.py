"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = sorted(
    p
    for folder in ("soar", "playbooks")
    for p in (ROOT / folder).rglob("*.py")
    if "migrations" not in p.parts
)
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
MOVES = ROOT / "playbooks" / "operations" / "moves.py"


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", CODE, ids=names(CODE))
def test_a_status_is_written_by_moves_alone(path: Path) -> None:
    if path == MOVES or "domain" in path.parts:
        return  # the domain knows no rows
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\.status\s*=[^=]", text), "only operations/moves.py writes a status"
    assert not re.search(r"\.update\([^)]*\bstatus=", text), "only operations/moves.py writes a status"


@pytest.mark.parametrize("path", CODE, ids=names(CODE))
def test_files_and_functions_stay_short(path: Path) -> None:
    assert path.read_text(encoding="utf-8").count("\n") <= 400
    for function in functions(path):
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        assert length <= 50, f"{function.name} has {length} lines"


@pytest.mark.parametrize("path", CODE, ids=names(CODE))
def test_nobody_asks_django_for_permissions(path: Path) -> None:
    """`has_perm` lets every superuser through; access/ is the door."""
    assert not re.search(r"\bhas_perms?\(", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", TEMPLATES, ids=names(TEMPLATES))
def test_templates_hold_no_inline_script_or_style_and_no_bracketed_trigger(path: Path) -> None:
    """The content security policy forbids the first; with allowEval off, the second is always true."""
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert not re.search(r"<style\b|\sstyle=|\son[a-z]+=", text)
    assert not re.search(r"hx-trigger=\"[^\"]*\[", text)
    assert "|safe" not in text
    assert not re.search(r"https?://(?!www\.w3\.org)", text), "nothing is loaded from elsewhere"


def test_no_module_is_called_by_what_it_is_not() -> None:
    vague = {"utils", "helpers", "common", "core", "services", "managers"}
    assert not [path for path in CODE if path.stem in vague or vague & set(path.parts)]
