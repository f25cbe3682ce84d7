"""Heat tables: the colour is a share; a withheld cell has none."""

from datetime import date, timedelta
from typing import Any

import pytest

from analytics.reports.cells import Withheld
from analytics.reports.endpoints import EndpointDay, EndpointReport, EndpointRow, LatencyCell
from analytics.reports.filters import ReportFilters
from analytics.reports.retention import CohortCell, CohortRow, Headline, RetentionReport
from dashboards.tables import heat

TODAY = date(2026, 11, 17)
MONDAY = date(2026, 11, 2)
ASKED = ReportFilters.from_query({}, today=TODAY, last_sealed=None)


@pytest.mark.parametrize(
    ("value", "level"), [(0.0, 0), (0.24, 0), (0.25, 1), (1.0, 4), (1.99, 7), (2.0, 7), (5.0, 7), (-1.0, 0)]
)
def test_eight_levels_between_two_values(value: float, level: int) -> None:
    assert heat.heat_level(value, 0.0, 2.0) == level


def test_where_all_are_the_same_they_have_the_strongest_colour() -> None:
    assert heat.heat_level(0.5, 0.5, 0.5) == 7


def endpoint_report(requests: list[Any], latency: list[LatencyCell]) -> EndpointReport:
    days = [
        EndpointDay(MONDAY + timedelta(days=n), number, 0, 1.0, 1.0, 1.0, 9, True)
        for n, number in enumerate(requests)
    ]
    row = EndpointRow("/a", "GET", 9, 0, 0, 1, 1, 1, 1, 9)
    return EndpointReport(
        filters=ASKED, endpoint="/a", method="GET", total=row, headline=row, previous=None,
        days=days, previous_days=[], statuses=[], latency=latency,
    )  # fmt: skip


def test_latency_by_bucket_slowest_first() -> None:
    later = MONDAY + timedelta(days=1)
    cells = [LatencyCell(MONDAY, 0, 6), LatencyCell(MONDAY, 11, 2), LatencyCell(later, 11, Withheld.HIDDEN)]
    table = heat.latency_heat(endpoint_report([8, Withheld.HIDDEN, 0], cells))
    assert [row.label for row in table.rows][:2] == ["≥ 10.24 s", "5.12 s"]
    assert [row.label for row in table.rows][-2:] == ["10 ms", "< 10 ms"]
    assert table.rows[-1].cells[0] == ("h7", "", "2 Nov: 6 requests, 75.0% of the day")
    assert table.rows[0].cells[0].kind == "h2"  # 0.25 of at most 0.75
    assert table.rows[0].cells[1] == ("supp", "", "3 Nov: hidden")
    assert {cell.kind for cell in table.rows[5].cells} == {"none"}
    assert table.top == 0.75


@pytest.mark.parametrize(("requests", "top"), [(1, 0.05), (100, 1.0)])
def test_a_rare_bucket_is_not_drawn_as_if_it_were_common(requests: int, top: float) -> None:
    assert heat.latency_heat(endpoint_report([100], [LatencyCell(MONDAY, 3, requests)])).top == top


@pytest.mark.parametrize(("days", "step"), [(30, 7), (40, 14), (90, 21)])
def test_labels_of_days_are_whole_weeks_apart(days: int, step: int) -> None:
    labels = heat.latency_heat(endpoint_report([9] * days, [])).days
    assert [n for n, label in enumerate(labels) if label] == list(range(0, days, step))
    assert labels[0] == "2 Nov"


def cohort(*cells: CohortCell, users: Any = 20) -> CohortRow:
    return CohortRow(MONDAY, users, list(cells), 20, 10, 0.5, False)


def retention(*rows: CohortRow) -> RetentionReport:
    none = Headline(0, 0, 0, 0, None)
    return RetentionReport(
        filters=ASKED, headline=none, previous=None, curve=[], cohorts=list(rows), averages=[]
    )


def test_cohorts_are_coloured_between_the_lowest_and_the_highest_finished_week() -> None:
    first = cohort(
        CohortCell(0, 20, 1.0, False),
        CohortCell(1, 10, 0.5, False),
        CohortCell(2, 5, 0.25, False),
        CohortCell(3, 1, 0.05, True),
    )
    second = cohort(CohortCell(0, 20, 1.0, False), CohortCell(1, Withheld.FEW, Withheld.HIDDEN, False))
    third = cohort(
        CohortCell(0, Withheld.FEW, Withheld.HIDDEN, True), CohortCell(1, 0, None, True), users=Withheld.FEW
    )
    table = heat.cohort_table(retention(first, second, third))
    assert (table.low, table.high, table.weeks) == (0.25, 0.5, [0, 1, 2, 3])
    assert [[cell.kind for cell in row.cells] for row in table.rows] == [
        ["supp", "h7", "h0", "open"],
        ["supp", "supp"],
        ["supp", "none"],
    ]
    assert [cell.text for cell in table.rows[0].cells] == ["100", "50", "25", "5"]
    assert table.rows[0].cells[3].title == "Week of 2 Nov, week 3: 1 of 20 people, week not over"
    assert table.rows[1].cells[1] == ("supp", "<5", "Week of 2 Nov, week 1: <5")


def test_without_a_finished_week_there_is_no_scale() -> None:
    assert heat.cohort_table(retention())[1:] == ([], 0.0, 1.0)
