"""Reports as figures: each report has been through suppression before."""

from dashboards.charts.active_users import active_users_plot
from dashboards.charts.errors import errors_plot
from dashboards.charts.features import feature_plot, features_plot
from dashboards.charts.latency import latency_plot
from dashboards.charts.retention import retention_curve_plot, retention_weeks_plot
from dashboards.charts.versions import versions_plot

__all__ = [
    "active_users_plot",
    "errors_plot",
    "feature_plot",
    "features_plot",
    "latency_plot",
    "retention_curve_plot",
    "retention_weeks_plot",
    "versions_plot",
]
