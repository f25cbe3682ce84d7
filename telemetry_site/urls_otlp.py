"""Every address of the OTLP port."""

from django.urls import include, path

from telemetry_site import health

urlpatterns = [
    path("", include("ingest.urls")),
    path("health", health.health),
]
