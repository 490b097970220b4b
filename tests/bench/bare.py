"""The bare Django view: no middleware, no token, no check; one INSERT for a request, bulk_create for a list."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import path

from soar import env

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": env.database("SOAR_DATABASE_URL", home=Path(os.environ["SOAR_HOME"]))},
    MIDDLEWARE=[],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
)
application = get_wsgi_application()


class BareAlert(models.Model):
    """The benchmark makes the table (ingest.py)."""

    title = models.TextField()
    severity = models.IntegerField()
    address = models.TextField()
    raw = models.TextField()

    objects: ClassVar[models.Manager[BareAlert]] = models.Manager()

    class Meta:
        app_label = "bench"
        managed = False
        db_table = "bench_alert"


def accept(request: HttpRequest) -> HttpResponse:
    posted = json.loads(request.body)
    if isinstance(posted, list):
        BareAlert.objects.bulk_create(_alert(event) for event in posted)
    else:
        _alert(posted).save(force_insert=True)
    return HttpResponse(status=202)


def _alert(event: dict[str, Any]) -> BareAlert:
    alert = event["alert"]
    return BareAlert(
        title=alert["signature"], severity=alert["severity"], address=event["src_ip"], raw=json.dumps(event)
    )


urlpatterns = [path("", accept)]
