"""Heat tables: latency by day and bucket, cohorts by week. A withheld cell has no colour.

They are tables rather than plots, so they can be printed and read aloud, and need no script.
"""

from datetime import date
from typing import NamedTuple

from analytics.reports.cells import Count, Withheld
from analytics.reports.endpoints import LATENCY_EDGES_MS, EndpointReport
from analytics.reports.retention import CohortCell, CohortRow, RetentionReport
from dashboards.numbers import count, percent, round_milliseconds, shown
from dashboards.tables.report_rows import share_of

HEAT_LEVELS = 8


class HeatCell(NamedTuple):
    kind: str  # the cell's class: h0 … h7, open, supp, none
    text: str
    title: str


class HeatRow(NamedTuple):
    label: str
    cells: list[HeatCell]


class LatencyHeat(NamedTuple):
    rows: list[HeatRow]
    days: list[str]  # labels below the columns, most of them empty
    top: float  # the share that has the strongest colour


def latency_heat(report: EndpointReport) -> LatencyHeat:
    """A row for each bucket, the slowest first; the colour is the bucket's share of the day's requests."""
    totals: dict[date, float] = {day.day: shown(day.requests) or 0 for day in report.days}
    requests = {(cell.bucket, cell.day): cell.requests for cell in report.latency}
    shares = [share_of(value, totals.get(day, 0)) or 0 for (_, day), value in requests.items()]
    top = min(1.0, max(0.05, max(shares, default=0.3)))
    labels = ["< 10 ms", *map(round_milliseconds, LATENCY_EDGES_MS)]
    labels[-1] = f"≥ {labels[-1]}"
    rows = []
    for bucket in range(len(LATENCY_EDGES_MS), -1, -1):
        cells = [_latency_cell(requests.get((bucket, day)), day, total, top) for day, total in totals.items()]
        rows.append(HeatRow(labels[bucket], cells))
    step = max(7, 7 * (len(totals) // 40 + 1))
    names = [f"{day.day} {day:%b}" if i % step == 0 else "" for i, day in enumerate(totals)]
    return LatencyHeat(rows, names, top)


def _latency_cell(requests: Count | None, day: date, total: float, top: float) -> HeatCell:
    if requests is None:
        return HeatCell("none", "", "")
    when = f"{day.day} {day:%b}"
    if isinstance(requests, Withheld):
        return HeatCell("supp", "", f"{when}: {requests}")
    share = requests / total if total else 0.0
    return HeatCell(
        f"h{heat_level(share, 0, top)}",
        "",
        f"{when}: {count(requests)} requests, {percent(share)} of the day",
    )


def heat_level(value: float, low: float, high: float) -> int:
    """0 to 7: which of the eight colours a value has between `low` and `high`."""
    if high <= low:
        return HEAT_LEVELS - 1
    return max(0, min(HEAT_LEVELS - 1, int((value - low) / (high - low) * HEAT_LEVELS)))


class CohortTableRow(NamedTuple):
    row: CohortRow
    cells: list[HeatCell]


class CohortTable(NamedTuple):
    rows: list[CohortTableRow]
    weeks: list[int]
    low: float
    high: float


def cohort_table(report: RetentionReport) -> CohortTable:
    """The triangle, with colours spread between the lowest and the highest share of a finished week."""
    finished = [
        share
        for row in report.cohorts
        for cell in row.cells
        if cell.week and not cell.open and (share := shown(cell.share)) is not None
    ]
    low, high = (min(finished), max(finished)) if finished else (0.0, 1.0)
    rows = [
        CohortTableRow(row, [_cohort_cell(row, cell, low, high) for cell in row.cells])
        for row in report.cohorts
    ]
    weeks = max((len(row.cells) for row in report.cohorts), default=0)
    return CohortTable(rows, list(range(weeks)), low, high)


def _cohort_cell(row: CohortRow, cell: CohortCell, low: float, high: float) -> HeatCell:
    week = f"Week of {row.week_start.day} {row.week_start:%b}, week {cell.week}"
    if isinstance(cell.share, Withheld) or isinstance(cell.users, Withheld):
        mark = cell.users if isinstance(cell.users, Withheld) else cell.share
        return HeatCell("supp", str(mark), f"{week}: {mark}")
    if cell.share is None:
        return HeatCell("none", "", "")
    title = f"{week}: {count(cell.users)} of {row.users} people"
    text = f"{cell.share * 100:.0f}"
    if cell.open:
        return HeatCell("open", text, f"{title}, week not over")
    return HeatCell("supp" if cell.week == 0 else f"h{heat_level(cell.share, low, high)}", text, title)
