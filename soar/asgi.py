"""The ASGI door, for servers that speak only ASGI."""

import os

from django.core.asgi import get_asgi_application

from soar.checks import require_safe_production

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "soar.settings")
application = get_asgi_application()
require_safe_production()
