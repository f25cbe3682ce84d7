"""Every address of Candid, by app. OTLP comes first: it is the busiest, and never redirects."""

from django.contrib import admin
from django.urls import include, path

from dashboards.sign_in import ThrottledAdminForm
from telemetry_site import health, metrics

admin.site.login_form = ThrottledAdminForm

urlpatterns = [
    path("", include("ingest.urls")),
    path("", include("ingest.customers.urls")),
    path("health", health.health),
    path("ready", health.ready),
    path("metrics", metrics.metrics),
    path("", include("consent.api.urls")),
    path("", include("analytics.urls")),
    path("", include("dashboards.urls")),
    path("admin/", admin.site.urls),
]
