"""The one last step before a report is shown: small groups are hidden, beyond subtraction.

Pages, CSV and API all pass through here and nothing shows a report that has not. What it cannot
see is another report: who asks for two ranges that differ by a day can subtract them. Staff are
trusted not to; keys of customers are bound to their own organization.
"""

from typing import Final

from analytics.reports.cells import Withheld
from analytics.reports.suppression.active_users import suppress_active_users
from analytics.reports.suppression.endpoints import suppress_endpoint, suppress_endpoints
from analytics.reports.suppression.features import suppress_feature, suppress_features
from analytics.reports.suppression.installations import suppress_installations
from analytics.reports.suppression.overview import suppress_overview
from analytics.reports.suppression.retention import suppress_retention
from analytics.reports.suppression.sessions import suppress_sessions

SUPPRESSED: Final = Withheld.FEW  # prints "<5"
HIDDEN: Final = Withheld.HIDDEN  # prints "hidden"

__all__ = [
    "HIDDEN",
    "SUPPRESSED",
    "suppress_active_users",
    "suppress_endpoint",
    "suppress_endpoints",
    "suppress_feature",
    "suppress_features",
    "suppress_installations",
    "suppress_overview",
    "suppress_retention",
    "suppress_sessions",
]
