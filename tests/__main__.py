"""All tests: on SQLite, then what touches tables once more on PostgreSQL, where a server answers."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.servers import POSTGRESQL, answers

FLOORS = ("models", "operations", "executor", "audit", "api", "simulation")
ON_POSTGRESQL = [f"tests/{floor}" for floor in FLOORS]
# Who is turned away is decided before any table is touched, and the other brings a server of its own.
ONCE = ["--ignore", "tests/api/test_no_rights.py", "--ignore", "tests/simulation/test_restarts.py"]


def main() -> int:
    failed = _pytest("SQLite", ["tests", "-n", "2"], {})
    if not answers("postgresql"):
        print(f"skipped: tests of {', '.join(FLOORS)} on PostgreSQL, since no server answers")
        return failed or bool(os.environ.get("CI"))
    return (
        _pytest("PostgreSQL", [*ON_POSTGRESQL, *ONCE, "-n", "2"], {"SOAR_DATABASE_URL": POSTGRESQL}) or failed
    )


def _pytest(name: str, arguments: list[str], environment: dict[str, str]) -> int:
    print(f"\n--- tests on {name} ---", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
