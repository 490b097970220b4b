"""The Celery application: `celery -A soar worker` and `celery -A soar beat`.

The broker is a doorbell: a message says which run has work, and carries primary keys only. A message that is lost
costs seconds, because the sweep finds the work in the database.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "soar.settings")

app = Celery("soar")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["playbooks"])
