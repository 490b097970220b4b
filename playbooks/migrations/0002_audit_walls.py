"""Makes the tables of the audit log and of the decisions append-only, by trigger."""

from django.db import migrations

from playbooks.audit import walls


def install(apps, schema_editor):
    walls.install(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("playbooks", "0001_initial")]

    # Going back drops the tables, and the triggers with them.
    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
