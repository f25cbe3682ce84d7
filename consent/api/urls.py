"""Addresses of the consent API. No trailing slash: a redirect would lose a PUT's body."""

from django.urls import path

from consent.api import record_views, views

urlpatterns = [
    path("api/consent/user", views.UserConsent.as_view(), name="consent-user"),
    path("api/consent/organization", views.OrganizationConsent.as_view(), name="consent-organization"),
    path("api/consent/receipt", record_views.ConsentReceipt.as_view(), name="consent-receipt"),
    path("api/consent/link", record_views.ConsentLink.as_view(), name="consent-link"),
    path("api/users/telemetry/status", views.UserTelemetryStatus.as_view(), name="user-telemetry-status"),
    path("api/users/telemetry/enable", views.UserTelemetryEnable.as_view(), name="user-telemetry-enable"),
    path("api/users/telemetry/disable", views.UserTelemetryDisable.as_view(), name="user-telemetry-disable"),
    path("api/v1/config/me/org-settings", views.OrganizationSettings.as_view(), name="org-settings"),
    path("api/config/me/org-settings", views.OrganizationSettingsUnversioned.as_view()),
]
