"""Sessions: how long they last, how often people sign in, which pages they see."""

from dataclasses import dataclass
from typing import NamedTuple

from analytics.reports.cells import Compared, Count
from analytics.reports.filters import ReportFilters


class PageRow(NamedTuple):
    path: str  # a template: never a raw path
    users: Count
    views: Count


@dataclass(frozen=True, kw_only=True)
class SessionsReport:
    """Headlines cover complete days; `pages` the whole range, most viewed first, ten at most."""

    filters: ReportFilters
    users: Count  # distinct users with a session
    sessions: Compared
    median_seconds: Compared  # last minus first event of a session
    sign_ins_per_user: Compared  # sign-ins / users who signed in
    pages: list[PageRow]


def sessions_report(filters: ReportFilters) -> SessionsReport:
    """The report, exact."""
    raise NotImplementedError
