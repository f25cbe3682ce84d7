"""Reports for customers: nothing of a customer's own organization is smaller than a week."""

from dataclasses import replace
from typing import Any

from analytics.reports.active_users import ActiveDay, ActiveUsersReport
from analytics.reports.cells import Compared, Withheld
from analytics.reports.endpoints import EndpointDay, EndpointsReport
from analytics.reports.errors import ErrorsReport
from analytics.reports.features import FeaturesReport
from analytics.reports.parameters import SUNDAY
from analytics.reports.timings import TimingDay, TimingsReport

HIDDEN = Withheld.HIDDEN


def by_week(report: Any) -> Any:
    """The report without figures of single days. Windows of 7 and 28 days that end on a Sunday stay."""
    if isinstance(report, ActiveUsersReport):
        return _active_users_by_week(report)
    if isinstance(report, FeaturesReport):
        return replace(report, rows=[row._replace(trend=[HIDDEN] * len(row.trend)) for row in report.rows])
    if isinstance(report, EndpointsReport):
        return replace(
            report,
            rows=[row._replace(trend=(HIDDEN,) * len(row.trend)) for row in report.rows],
            days=[_no_requests(day) for day in report.days],
            previous_days=[_no_requests(day) for day in report.previous_days],
        )
    if isinstance(report, ErrorsReport):
        return _errors_by_week(report)
    if isinstance(report, TimingsReport):
        return replace(
            report,
            rows=[row._replace(trend=(HIDDEN,) * len(row.trend)) for row in report.rows],
            days=[_no_calls(day) for day in report.days],
            previous_days=[_no_calls(day) for day in report.previous_days],
        )
    return report


def _errors_by_week(report: ErrorsReport) -> ErrorsReport:
    return replace(
        report,
        rows=[
            row._replace(trend=(HIDDEN,) * len(row.trend), first_seen=HIDDEN, last_seen=HIDDEN)
            for row in report.rows
        ],
        days=[day._replace(occurrences=HIDDEN) for day in report.days],
        previous_days=[day._replace(occurrences=HIDDEN) for day in report.previous_days],
    )


def _active_users_by_week(report: ActiveUsersReport) -> ActiveUsersReport:
    def of_weeks(series: dict[str, list[ActiveDay]]) -> dict[str, list[ActiveDay]]:
        return {
            metric: [day if metric != "dau" and day.day.weekday() == SUNDAY else _nobody(day) for day in days]
            for metric, days in series.items()
        }

    shown = Compared(HIDDEN, None if report.yesterday.before is None else HIDDEN)
    return replace(
        report,
        series=of_weeks(report.series),
        previous_series=of_weeks(report.previous_series),
        yesterday=shown,
        highest=None,
    )


def _nobody(day: ActiveDay) -> ActiveDay:
    return day._replace(total=HIDDEN, cloud=HIDDEN, self_hosted=HIDDEN, unknown=HIDDEN)


def _no_requests(day: EndpointDay) -> EndpointDay:
    return day._replace(
        requests=HIDDEN, errors=HIDDEN, p50_ms=HIDDEN, p95_ms=HIDDEN, p99_ms=HIDDEN, users=HIDDEN
    )


def _no_calls(day: TimingDay) -> TimingDay:
    return day._replace(calls=HIDDEN, p50_ms=HIDDEN, p95_ms=HIDDEN, p99_ms=HIDDEN)
