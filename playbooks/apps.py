"""The Django application of Countersign."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class PlaybooksConfig(AppConfig):
    name = "playbooks"
    verbose_name = "Countersign"

    def ready(self) -> None:
        # Importing registers: guardian's tables, the check of the walls, and who records sign-ins.
        from playbooks.access import builtin, grants  # noqa: F401
        from playbooks.audit import checks  # noqa: F401
        from playbooks.management import default_policies
        from playbooks.web import signals  # noqa: F401

        post_migrate.connect(builtin.ensure_roles, sender=self, dispatch_uid="playbooks.roles")
        post_migrate.connect(builtin.ensure_cache, sender=self, dispatch_uid="playbooks.cache")
        post_migrate.connect(
            default_policies.ensure, sender=self, dispatch_uid=default_policies.ON_NEW_INSTALLATIONS
        )
