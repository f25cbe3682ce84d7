"""The one last step before a report is shown: small groups are hidden, beyond subtraction.

Pages, CSV and API all pass through here and nothing shows a report that has not. What it cannot
see is another report: who asks for two ranges that differ by a day can subtract them. Staff are
trusted not to; keys of customers are bound to their own organization.
"""

from typing import Final

from analytics.reports.cells import Mark
from analytics.reports.suppression.installations import suppress_installations
from analytics.reports.suppression.overview import suppress_overview
from analytics.reports.suppression.people import (
    suppress_active_users,
    suppress_retention,
    suppress_sessions,
)
from analytics.reports.suppression.usage import (
    suppress_endpoint,
    suppress_endpoints,
    suppress_feature,
    suppress_features,
)

SUPPRESSED: Final = Mark.FEW  # prints "<5"
HIDDEN: Final = Mark.HIDDEN  # prints "hidden"

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
