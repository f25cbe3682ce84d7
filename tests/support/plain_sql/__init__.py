"""Every report counted from raw rows in plain SQL: the oracle that reports from roll-ups must equal.

It shares the row types and the layout of reports with them, but no code that counts."""

from tests.support.plain_sql.active_users import active_users_report
from tests.support.plain_sql.endpoints import endpoint_report, endpoints_report
from tests.support.plain_sql.errors import errors_report
from tests.support.plain_sql.features import feature_report, features_report
from tests.support.plain_sql.retention import retention_report
from tests.support.plain_sql.sessions import sessions_report
from tests.support.plain_sql.timings import timings_report

__all__ = [
    "active_users_report",
    "endpoint_report",
    "endpoints_report",
    "errors_report",
    "feature_report",
    "features_report",
    "retention_report",
    "sessions_report",
    "timings_report",
]
