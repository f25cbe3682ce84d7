"""The addresses that customers' collectors call. No trailing slash: a redirect would lose the body."""

from django.urls import path

from ingest.customers.views import TelemetryAnalytics, TelemetryHeartbeat, ValidateLicense

urlpatterns = [
    path("validate-license", ValidateLicense.as_view(), name="validate-license"),
    path("telemetry/heartbeat", TelemetryHeartbeat.as_view(), name="telemetry-heartbeat"),
    path("telemetry/analytics", TelemetryAnalytics.as_view(), name="telemetry-analytics"),
]
