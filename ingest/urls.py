"""OTLP's addresses. No trailing slash, and never a redirect: exporters take one for success."""

from django.urls import re_path

from ingest.http.views import export, no_such_address

app_name = "ingest"
urlpatterns = [
    re_path(r"^(?:otlp/)?v1/(?P<signal>traces|logs|metrics)$", export, name="export"),
    re_path(r"^(?:otlp/)?v1/", no_such_address),
]
