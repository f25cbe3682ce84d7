"""Table rows: the newest first, beside the earlier period; a withheld count has no bar."""

from datetime import date, timedelta
from typing import Any

import pytest

from analytics.reports.active_users import ActiveDay, ActiveUsersReport
from analytics.reports.cells import Compared, Withheld
from analytics.reports.endpoints import EndpointRow
from analytics.reports.features import FeatureRow, FeaturesReport
from analytics.reports.filters import ReportFilters
from analytics.reports.installations import KindRow
from dashboards.tables import report_rows
from dashboards.tables.report_rows import BarRow

TODAY = date(2026, 11, 17)


def filters(**query: str) -> ReportFilters:
    return ReportFilters.from_query(query, today=TODAY, last_sealed=None)


def active_report(totals: list[Any], before: list[Any]) -> ActiveUsersReport:
    def days(numbers: list[Any]) -> list[ActiveDay]:
        return [
            ActiveDay(TODAY - timedelta(days=3 - n), number, 0, 0, 0, True)
            for n, number in enumerate(numbers)
        ]

    none = Compared(None)
    return ActiveUsersReport(
        filters=filters(),
        series={"dau": days(totals)},
        previous_series={"dau": days(before)},
        **dict.fromkeys(("yesterday", "wau", "mau", "average", "stickiness", "period_users"), none),  # type: ignore[arg-type]
        highest=None,
        users_so_far=0,
    )


def test_days_are_newest_first_with_bars_against_the_highest() -> None:
    rows = report_rows.active_day_rows(active_report([5, Withheld.FEW, 20], [10, 5, Withheld.HIDDEN]))
    assert [row.day.total for row in rows] == [20, Withheld.FEW, 5]
    assert [row.bar for row in rows] == [1.0, None, 0.25]
    assert [row.before for row in rows] == [Withheld.HIDDEN, 5, 10]
    assert rows[-1].compared == Compared(5, 10)


def test_days_without_an_earlier_period_are_compared_with_nothing() -> None:
    rows = report_rows.active_day_rows(active_report([0, 0], []))
    assert [(row.bar, row.before) for row in rows] == [(None, None), (None, None)]


def feature_row(name: str, users: Any, before: Any, trend: list[Any]) -> FeatureRow:
    return FeatureRow(name, users, 9, 0.1, 0, 1, None, before, None, trend)


def test_features_have_a_bar_a_tick_and_the_line_of_complete_days() -> None:
    rows = [
        feature_row("a", 20, 40, [1, 2, 3]),
        feature_row("b", Withheld.FEW, 10, [4, 5, 6]),
        feature_row("c", 10, None, []),
    ]
    report = FeaturesReport(filters=filters(), rows=rows, active_users=99, days=[])
    assert [(row.bar, row.tick) for row in report_rows.feature_rows(report)] == [
        (0.5, 1.0),
        (None, None),
        (0.25, None),
    ]
    assert [row.week_trend for row in report_rows.feature_rows(report)][:2] == [[1, 2], [4, 5]]
    over = FeaturesReport(
        filters=filters(**{"from": "2026-11-01", "to": "2026-11-03"}), rows=rows, active_users=9, days=[]
    )
    assert report_rows.feature_rows(over)[0].week_trend == [1, 2, 3]


def test_small_tables_have_bars_against_the_longest_and_shares_of_the_whole() -> None:
    rows = report_rows.bar_rows(
        [("a", 5), ("b", 20), ("c", Withheld.FEW)], whole=40, kinds=("x", "y", "z"), is_code=True
    )
    assert rows == [
        BarRow("a", 0.25, "x", 5, 0.125, True),
        BarRow("b", 1.0, "y", 20, 0.5, True),
        BarRow("c", None, "z", Withheld.FEW, None, True),
    ]
    assert report_rows.bar_rows([("a", 5)], whole=Withheld.HIDDEN) == [BarRow("a", 1.0, "v", 5, None)]


def test_what_was_folded_or_not_reported_has_another_colour() -> None:
    kinds = [
        KindRow("1.2", 10, 0.5, None),
        KindRow("", 5, 0.25, None),
        KindRow("Other, 2 kinds", 5, 0.25, None),
    ]
    assert [(row.name, row.kind, row.bar, row.share) for row in report_rows.kind_rows(kinds)] == [
        ("1.2", "v", 1.0, 0.5),
        ("Not reported", "vo", 0.5, 0.25),
        ("Other, 2 kinds", "vo", 0.5, 0.25),
    ]


@pytest.mark.parametrize(
    ("slowest", "axis"),
    [
        ([], 1000),
        ([50.0], 50),
        ([50.1], 100),
        ([700_000.0], 600_000),
        ([Withheld.HIDDEN, None, 80.0], 100),
        ([10.0] * 6 + [5000.0], 50),  # one of seven is cut
        ([10.0] * 5 + [5000.0], 6000),
    ],
)
def test_the_axis_of_latency_bars_ends_at_a_round_number(slowest: list[Any], axis: float) -> None:
    rows = [EndpointRow("/a", "GET", 9, 0, 0, 1, 1, 1, p99, 9) for p99 in slowest]
    assert report_rows.latency_axis_ms(rows) == axis
