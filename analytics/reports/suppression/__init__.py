"""Suppression, the last step before a report is shown: it hides small groups, and what would reveal them.

Every page, CSV file and API answer shows reports that have been through here. It cannot see other
reports: whoever asks for two ranges that differ by a day can subtract them. Staff are trusted not to; keys
of customers are bound to their own organization.
"""

from analytics.reports.suppression.active_users import suppress_active_users
from analytics.reports.suppression.endpoints import suppress_endpoint, suppress_endpoints
from analytics.reports.suppression.errors import suppress_errors
from analytics.reports.suppression.features import suppress_feature, suppress_features
from analytics.reports.suppression.installations import suppress_installations
from analytics.reports.suppression.overview import suppress_overview, suppress_own_overview
from analytics.reports.suppression.retention import suppress_retention
from analytics.reports.suppression.sessions import suppress_sessions
from analytics.reports.suppression.timings import suppress_timings

__all__ = [
    "suppress_active_users",
    "suppress_endpoint",
    "suppress_endpoints",
    "suppress_errors",
    "suppress_feature",
    "suppress_features",
    "suppress_installations",
    "suppress_overview",
    "suppress_own_overview",
    "suppress_retention",
    "suppress_sessions",
    "suppress_timings",
]
