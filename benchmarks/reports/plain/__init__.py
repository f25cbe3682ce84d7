"""Every report from raw rows, in plain SQL: what the roll-ups are measured against, and must equal."""

from benchmarks.reports.plain.active_users import active_users_report
from benchmarks.reports.plain.endpoints import endpoint_report, endpoints_report
from benchmarks.reports.plain.features import feature_report, features_report
from benchmarks.reports.plain.retention import retention_report
from benchmarks.reports.plain.sessions import sessions_report

__all__ = [
    "active_users_report",
    "endpoint_report",
    "endpoints_report",
    "feature_report",
    "features_report",
    "retention_report",
    "sessions_report",
]
