"""`python -m tests.bench.worker`: the product's worker, which also knows the connector of the benchmark."""

from __future__ import annotations

import django


def main() -> None:
    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from soar.celery import app
    from tests.bench.noop import register

    register()
    if settings.EMBEDDED:
        call_command("work")
    else:
        app.worker_main(["worker", "--loglevel=ERROR"])


if __name__ == "__main__":
    main()
