"""Django's WSGI application."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from config.loading import load

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

load()
application = get_wsgi_application()
