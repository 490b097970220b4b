"""What a hold names implies its scope: one constraint says both."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("playbooks", "0004_engine")]

    operations = [
        migrations.RemoveConstraint(model_name="hold", name="the_scope_of_a_hold_is_known"),
    ]
