"""Reports turned into table rows: beside the earlier period, with lengths of bars and depths of cells.

Reports have been through suppression before they come here. A hidden count (`Mark`) gets no bar and
no depth, so that neither gives it away.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from analytics.reports.active_users import ActiveDay, ActiveUsersReport
from analytics.reports.cells import Compared, Count, Mark, Measure
from analytics.reports.endpoints import LATENCY_EDGES_MS, EndpointReport, EndpointRow
from analytics.reports.features import FeatureDay, FeatureReport, FeatureRow, FeaturesReport
from analytics.reports.installations import KindRow
from analytics.reports.overview import Coverage, OverviewReport
from analytics.reports.retention import CohortCell, CohortRow, RetentionReport
from dashboards.numbers import count, percent, round_milliseconds, shown

SHORT_TABLE = 14  # rows of days before "show all"
HEAT_LEVELS = 8
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
    """Days, newest first, each beside the same weekday of the earlier period."""
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
    """Rows with bars against the longest; shares of `whole`, where it is given and shown."""
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


# --- endpoints ----------------------------------------------------------------------------------


def latency_axis_ms(rows: Sequence[EndpointRow]) -> float:
    """Where the latency bars end: a round number above the slower half of p99, so that few are cut."""
    slow = sorted(number for row in rows if (number := shown(row.p99_ms)) is not None)
    wanted = slow[int(len(slow) * 0.85)] if slow else 1000.0
    return next((nice for nice in NICE_MS if nice >= wanted), NICE_MS[-1])


class HeatCell(NamedTuple):
    kind: str  # the cell's class: h0 … h7, open, supp, none
    text: str
    title: str


class HeatRow(NamedTuple):
    label: str
    cells: list[HeatCell]


class LatencyHeat(NamedTuple):
    rows: list[HeatRow]
    days: list[str]  # labels below, most of them empty
    top: float  # the share that has the strongest colour


def latency_heat(report: EndpointReport) -> LatencyHeat:
    """Buckets (slowest first) × days; colour is the bucket's share of the day's requests."""
    totals: dict[date, float] = {day.day: shown(day.requests) or 0 for day in report.days}
    found = {(cell.bucket, cell.day): cell.requests for cell in report.latency}
    shares = [share_of(value, totals.get(day, 0)) or 0 for (_, day), value in found.items()]
    top = min(1.0, max(0.05, max(shares, default=0.3)))
    labels = ["< 10 ms", *map(round_milliseconds, LATENCY_EDGES_MS)]
    labels[-1] = f"≥ {labels[-1]}"
    rows = []
    for bucket in range(len(LATENCY_EDGES_MS), -1, -1):
        cells = [_latency_cell(found.get((bucket, day)), day, total, top) for day, total in totals.items()]
        rows.append(HeatRow(labels[bucket], cells))
    step = max(7, 7 * (len(totals) // 40 + 1))
    names = [f"{day.day} {day:%b}" if i % step == 0 else "" for i, day in enumerate(totals)]
    return LatencyHeat(rows, names, top)


def _latency_cell(requests: Count | None, day: date, total: float, top: float) -> HeatCell:
    if requests is None:
        return HeatCell("none", "", "")
    when = f"{day.day} {day:%b}"
    if isinstance(requests, Mark):
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


# --- retention ----------------------------------------------------------------------------------


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
    if isinstance(cell.share, Mark) or isinstance(cell.users, Mark):
        mark = cell.users if isinstance(cell.users, Mark) else cell.share
        return HeatCell("supp", str(mark), f"{week}: {mark}")
    if cell.share is None:
        return HeatCell("none", "", "")
    title = f"{week}: {count(cell.users)} of {row.users} people"
    text = f"{cell.share * 100:.0f}"
    if cell.open:
        return HeatCell("open", text, f"{title}, week not over")
    return HeatCell("supp" if cell.week == 0 else f"h{heat_level(cell.share, low, high)}", text, title)


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


# --- overview -----------------------------------------------------------------------------------


class CoveragePart(NamedTuple):
    name: str
    kind: str  # class of its rectangle in the bar
    key: str  # class of its patch in the key
    value: Count
    share: Measure


class CoverageRow(NamedTuple):
    name: str
    known: Measure
    parts: list[CoveragePart]


def coverage_row(name: str, coverage: Coverage) -> CoverageRow:
    whole = coverage.known
    named = (
        ("Opted in", "in", "", coverage.granted),
        ("Opted out", "out", "k2", coverage.denied),
        ("Not decided", "unset", "ko", coverage.unset),
    )
    parts = [
        CoveragePart(label, kind, key, value, share_of(value, whole) if isinstance(whole, int) else None)
        for label, kind, key, value in named
    ]
    return CoverageRow(name, whole, parts)


class ChangeRow(NamedTuple):
    """One measure that moved: where it is reported, its days, now, and by how much."""

    name: str
    unit: str  # "users" or "p95"
    report: str
    trend: list[Measure]
    now: Measure
    change: float
    good: str
    url_name: str
    endpoint: str = ""
    method: str = ""


LEAST_USERS = 50  # below, a change by a few people looks large
LEAST_REQUESTS = 500
CHANGES = 6


def largest_changes(report: OverviewReport) -> list[ChangeRow]:
    """Features and endpoints that moved most, relative to the earlier period; complete days only."""
    cut = -1 if report.filters.includes_today else None
    moves = [
        ChangeRow(row.feature, "users", "Features", list(row.trend[:cut]), row.users, move, "up", "feature")
        for row in report.features.rows
        if (move := shown(row.change)) is not None and (shown(row.users) or 0) >= LEAST_USERS
    ]
    moves += [
        ChangeRow(
            name=f"{row.method} {row.endpoint}",
            unit="p95",
            report="Endpoints",
            trend=list(row.trend[:cut]),
            now=row.p95_ms,
            change=move,
            good="down",
            url_name="endpoint",
            endpoint=row.endpoint,
            method=row.method,
        )
        for row in report.endpoints.rows
        if (move := shown(row.change)) is not None and (shown(row.requests) or 0) >= LEAST_REQUESTS
    ]
    return sorted(moves, key=lambda row: -abs(row.change))[:CHANGES]
