"""Addresses of the consent API. No trailing slash: a redirect would lose a PUT's body."""

from django.urls import path

from consent import api, record_api

urlpatterns = [
    path("api/consent/user", api.UserConsent.as_view(), name="consent-user"),
    path("api/consent/organization", api.OrganizationConsent.as_view(), name="consent-organization"),
    path("api/consent/receipt", record_api.ConsentReceipt.as_view(), name="consent-receipt"),
    path("api/consent/link", record_api.ConsentLink.as_view(), name="consent-link"),
    path("api/users/telemetry/status", api.UserTelemetryStatus.as_view(), name="user-telemetry-status"),
    path("api/users/telemetry/enable", api.UserTelemetryEnable.as_view(), name="user-telemetry-enable"),
    path("api/users/telemetry/disable", api.UserTelemetryDisable.as_view(), name="user-telemetry-disable"),
    path("api/v1/config/me/org-settings", api.OrganizationSettings.as_view(), name="org-settings"),
    path("api/config/me/org-settings", api.OrganizationSettingsUnversioned.as_view()),
]
