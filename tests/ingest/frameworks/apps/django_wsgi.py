"""For a WSGI server. Not in `django_shop.py`, which is imported first as the settings."""

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
