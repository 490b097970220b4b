"""The roof: settings, checks, URLs and servers. It composes everything, and nothing imports it."""

from soar.celery import app as celery_app

__all__ = ["celery_app"]
