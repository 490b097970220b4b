"""`python -m tests.simulation.worker HOME EFFECTS`: the product's local worker, with a SOAR_HOME of its own and the
far side that keeps its effects in the folder EFFECTS.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import django


def main() -> None:
    os.environ["SOAR_HOME"] = sys.argv[1]
    Path(sys.argv[1]).mkdir(exist_ok=True)
    django.setup()
    from django.core.management import call_command

    from tests.simulation.filed import register

    register(Path(sys.argv[2]))
    call_command("work", "--sweep-every", "0.3")


if __name__ == "__main__":
    main()
