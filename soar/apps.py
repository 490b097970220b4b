"""The roof as a Django application: it brings the system checks."""

from django.apps import AppConfig


class SoarConfig(AppConfig):
    name = "soar"

    def ready(self) -> None:
        # Importing registers the check.
        from soar import checks  # noqa: F401
