from hashlib import sha256

from django.db import migrations, models


def close(apps, schema_editor):
    """Versions from before playbooks could run others pin nothing; the text is the RFC 8785 form."""
    versions = apps.get_model("playbooks", "PlaybookVersion").objects.using(schema_editor.connection.alias)
    for version in versions.filter(status__in=["published", "retired"]).only("digest"):
        closed = '{"document":"%s","pins":{}}' % version.digest
        versions.filter(pk=version.pk).update(closure_digest=sha256(closed.encode()).hexdigest())


class Migration(migrations.Migration):
    dependencies = [("playbooks", "0002_audit_walls")]

    operations = [
        migrations.AddField("playbookversion", "pins", models.JSONField(default=dict)),
        migrations.AddField(
            "playbookversion",
            "closure_digest",
            models.CharField(blank=True, default="", max_length=64),
            preserve_default=False,
        ),
        migrations.RunPython(close, migrations.RunPython.noop),
    ]
