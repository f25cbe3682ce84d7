"""Every address of Candid, by app. OTLP comes first: it is the busiest, and never redirects."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    # path("", include("ingest.urls")),
    # path("", include("telemetry_site.health_urls")),
    # path("", include("dashboards.urls")),
    path("admin/", admin.site.urls),
]
