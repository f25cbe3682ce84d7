"""Reports as table rows: numbers beside the earlier period, with the lengths of their bars.

Reports have been through suppression before they come here. A withheld count gets no bar: its length would
reveal the count.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from analytics.reports.active_users import ActiveDay, ActiveUsersReport
from analytics.reports.cells import Compared, Count, Measure
from analytics.reports.endpoints import EndpointRow
from analytics.reports.features import FeatureDay, FeatureReport, FeatureRow, FeaturesReport
from analytics.reports.installations import KindRow
from analytics.reports.retention import RetentionReport
from analytics.reports.timings import TimingRow
from dashboards.numbers import shown

NICE_MS = (50, 100, 200, 500, 1000, 2000, 3000, 6000, 10000, 30000, 60000, 120000, 600000)


def share_of(value: Measure, whole: float) -> float | None:
    number = shown(value)
    return None if number is None or not whole else number / whole


def highest(values: Sequence[Measure]) -> float:
    return max((number for number in map(shown, values) if number is not None), default=0)


# --- days ---------------------------------------------------------------------------------------


class ActiveDayRow(NamedTuple):
    day: ActiveDay
    bar: float | None
    before: Measure
    compared: Compared


def active_day_rows(report: ActiveUsersReport) -> list[ActiveDayRow]:
    """Days, the newest first, each beside the same weekday of the earlier period."""
    widest = highest([day.total for day in report.days])
    before: list[Measure] = [day.total for day in report.previous] or [None] * len(report.days)
    rows = [
        ActiveDayRow(day, share_of(day.total, widest), earlier, Compared(day.total, earlier))
        for day, earlier in zip(report.days, before, strict=True)
    ]
    return rows[::-1]


class FeatureDayRow(NamedTuple):
    day: FeatureDay
    bar: float | None
    compared: Compared


def feature_day_rows(report: FeatureReport) -> list[FeatureDayRow]:
    widest = highest([day.users for day in report.days])
    before: list[Measure] = [day.users for day in report.previous] or [None] * len(report.days)
    rows = [
        FeatureDayRow(day, share_of(day.users, widest), Compared(day.users, earlier))
        for day, earlier in zip(report.days, before, strict=True)
    ]
    return rows[::-1]


# --- features -----------------------------------------------------------------------------------


class FeatureTableRow(NamedTuple):
    row: FeatureRow
    bar: float | None
    tick: float | None  # the earlier period, on the same axis
    week_trend: list[Measure]


def feature_rows(report: FeaturesReport) -> list[FeatureTableRow]:
    widest = highest([row.users for row in report.rows] + [row.previous_users for row in report.rows]) or 1
    return [
        FeatureTableRow(
            row,
            share_of(row.users, widest),
            share_of(row.previous_users, widest) if shown(row.users) is not None else None,
            list(row.trend[:-1] if report.filters.includes_today else row.trend),
        )
        for row in report.rows
    ]


class BarRow(NamedTuple):
    """A name, a bar, a number and a share: the small tables."""

    name: str
    bar: float | None
    kind: str
    value: Measure
    share: Measure
    is_code: bool = False


def bar_rows(
    named: Sequence[tuple[str, Count]],
    *,
    whole: Measure = None,
    kinds: Sequence[str] = (),
    is_code: bool = False,
) -> list[BarRow]:
    """Rows whose bars are measured by the largest value; with shares of `whole`, if it is given and shown."""
    widest = highest([value for _, value in named])
    total = shown(whole)
    return [
        BarRow(
            name,
            share_of(value, widest),
            kinds[i] if kinds else "v",
            value,
            share_of(value, total) if total else None,
            is_code,
        )
        for i, (name, value) in enumerate(named)
    ]


def kind_rows(kinds: Sequence[KindRow]) -> list[BarRow]:
    widest = highest([row.installations for row in kinds])
    return [
        BarRow(
            row.kind or "Not reported",
            share_of(row.installations, widest),
            "vo" if row.kind.startswith("Other") or not row.kind else "v",
            row.installations,
            row.share,
        )
        for row in kinds
    ]


# --- endpoints, retention -----------------------------------------------------------------------


def latency_axis_ms(rows: Sequence[EndpointRow | TimingRow]) -> float:
    """Where the latency bars end: a round number that 85 % of the rows' p99 do not exceed."""
    slow = sorted(number for row in rows if (number := shown(row.p99_ms)) is not None)
    least = slow[int(len(slow) * 0.85)] if slow else 1000.0
    return next((nice for nice in NICE_MS if nice >= least), NICE_MS[-1])


class WeekRow(NamedTuple):
    week_start: date
    mature: Count
    retained: Count
    rate: Measure
    is_open: bool


def week_rows(report: RetentionReport) -> list[WeekRow]:
    """The headline by week of first activity, newest first."""
    return [
        WeekRow(row.week_start, row.mature, row.retained, row.rate, row.open)
        for row in reversed(report.cohorts)
    ]
