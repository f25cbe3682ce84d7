"""OTLP's addresses, and a DSN's. Never a redirect for want of a slash: exporters take one for success."""

from django.urls import re_path

from ingest.http.views import export, from_dsn, no_such_address
from ingest.sentry.addresses import PATTERN

app_name = "ingest"
urlpatterns = [
    re_path(r"^(?:otlp/)?v1/(?P<signal>traces|logs|metrics)$", export, name="export"),
    re_path(r"^(?:otlp/)?v1/", no_such_address),
    re_path(rf"^{PATTERN}\Z", from_dsn, name="from_dsn"),
]
