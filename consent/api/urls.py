"""Addresses of the consent API. No trailing slash: a redirect would lose a PUT's body."""

from django.urls import path

from consent.api.consent_views import OrganizationConsent, UserConsent
from consent.api.record_views import ConsentLink, ConsentReceipt
from consent.api.switch_views import (
    OrganizationSettings,
    OrganizationSettingsUnversioned,
    UserTelemetryDisable,
    UserTelemetryEnable,
    UserTelemetryStatus,
)

urlpatterns = [
    path("api/consent/user", UserConsent.as_view(), name="consent-user"),
    path("api/consent/organization", OrganizationConsent.as_view(), name="consent-organization"),
    path("api/consent/receipt", ConsentReceipt.as_view(), name="consent-receipt"),
    path("api/consent/link", ConsentLink.as_view(), name="consent-link"),
    path("api/users/telemetry/status", UserTelemetryStatus.as_view(), name="user-telemetry-status"),
    path("api/users/telemetry/enable", UserTelemetryEnable.as_view(), name="user-telemetry-enable"),
    path("api/users/telemetry/disable", UserTelemetryDisable.as_view(), name="user-telemetry-disable"),
    path("api/v1/config/me/org-settings", OrganizationSettings.as_view(), name="org-settings"),
    path("api/config/me/org-settings", OrganizationSettingsUnversioned.as_view()),
]
