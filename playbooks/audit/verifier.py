"""Makes verify.py, the one file that an evidence bundle is checked with, from the modules that the product
itself uses.

So the two cannot drift: the file is their source, one after the other, without the imports between them.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Sequence
from functools import lru_cache
from types import ModuleType

from playbooks.domain import (
    archive,
    break_glass,
    completeness,
    duties,
    duty_facts,
    ed25519,
    entries,
    notes,
    replay,
    replayed_requests,
    seats,
    tree,
    verify,
)
from playbooks.domain.policies import policy_replay, seats_asked

# Each module after those that it imports.
MODULES: Sequence[ModuleType] = (
    seats,
    duty_facts,
    duties,
    break_glass,
    tree,
    ed25519,
    notes,
    entries,
    seats_asked,
    policy_replay,
    replayed_requests,
    replay,
    archive,
    completeness,
    verify,
)
HEADER = f'''#!/usr/bin/env python3
"""{verify.__doc__}"""

from __future__ import annotations

'''


@lru_cache(maxsize=1)
def verifier_source() -> str:
    """The text of verify.py. It needs Python's standard library and nothing else."""
    sources = [inspect.getsource(module) for module in MODULES]
    imports = sorted({line for source in sources for line in _imports(source)})
    parts = [
        f"# --- {module.__name__} ---\n{_without_header(source)}"
        for module, source in zip(MODULES, sources, strict=True)
    ]
    return HEADER + "\n".join(imports) + "\n\n" + "\n\n".join(parts)


def _imports(source: str) -> list[str]:
    """The imports of the standard library, as lines."""
    return [ast.unparse(node) for node in _imports_of(source) if not _is_internal(node)]


def _without_header(source: str) -> str:
    """The source without its docstring and top-level imports; comments stay."""
    header, *_ = ast.parse(source).body
    gone = {line for node in [header, *_imports_of(source)] for line in _lines(node)}
    kept = [text for number, text in enumerate(source.splitlines(), 1) if number not in gone]
    return "\n".join(kept).strip("\n") + "\n"


def _imports_of(source: str) -> list[ast.Import | ast.ImportFrom]:
    return [node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom)]


def _is_internal(node: ast.Import | ast.ImportFrom) -> bool:
    return isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in {
        "playbooks",
        "__future__",
    }


def _lines(node: ast.stmt) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)
