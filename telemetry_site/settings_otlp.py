"""The settings as the OTLP port sees them: fewer addresses, no sessions, no pages."""

from telemetry_site.settings import *  # noqa: F403

ROOT_URLCONF = "telemetry_site.urls_otlp"
WSGI_APPLICATION = "telemetry_site.wsgi_otlp.application"
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "corsheaders.middleware.CorsMiddleware",
]
