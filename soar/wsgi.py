"""The WSGI door for granian and any other server."""

import os

from django.core.wsgi import get_wsgi_application

from soar.checks import require_safe_production

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "soar.settings")
application = get_wsgi_application()
require_safe_production()
