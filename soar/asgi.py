"""The ASGI door, for servers that speak only ASGI."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "soar.settings")
application = get_asgi_application()
