"""Active users: distinct people on a day, in the 7 and in the 28 days that end on it. Never sums of days.

A person active on day d counts for every window that holds d. Knowing how long it was until their
next active day, each person is counted once per window without comparing windows: one pass gives
all three measures, and the result that leaves the database is a small histogram.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple

from analytics.periods import bounds, days_between
from analytics.reports.cells import Compared, Count, exact
from analytics.reports.filters import ReportFilters
from analytics.reports.source import DAY, DEPLOYMENT, active_rows, people, report_cursor, segment

WINDOWS = {"dau": 1, "wau": 7, "mau": 28}  # days
LONGEST = max(WINDOWS.values())


class ActiveDay(NamedTuple):
    """Distinct users of one day, or of the 7 or 28 days that end on it. `complete` is false for today.

    Somebody seen on two deployment types is in both and in the total once.
    """

    day: date
    total: Count
    cloud: Count
    self_hosted: Count
    unknown: Count
    complete: bool

    def only(self, deployment: str) -> "ActiveDay":
        """The same day for one deployment type: its people are the total, the others are 0."""
        if deployment == "cloud":
            return self._replace(total=self.cloud, self_hosted=0, unknown=0)
        if deployment == "self-hosted":
            return self._replace(total=self.self_hosted, cloud=0, unknown=0)
        return self._replace(total=self.unknown, cloud=0, self_hosted=0)


@dataclass(frozen=True, kw_only=True)
class ActiveUsersReport:
    """`series` and `previous_series` hold the days by metric (dau, wau, mau); previous days align.

    They hold all deployment types whatever the filter: suppression hides in a filtered view what
    it hides in the whole. `days` and `previous` obey the filter.
    """

    filters: ReportFilters
    series: dict[str, list[ActiveDay]]
    previous_series: dict[str, list[ActiveDay]]  # empty lists without `compare`
    yesterday: Compared  # the last complete day of the range; before: a week earlier
    wau: Compared  # ending on that day; before: ending on the previous period's last complete day
    mau: Compared
    average: Compared  # mean of the metric over complete days
    highest: ActiveDay | None  # of the metric, among complete days
    stickiness: Compared  # mean DAU of 28 days / MAU, both ending on the last complete day
    period_users: Compared  # distinct users in the complete days of the range
    users_so_far: Count  # distinct users in the range, today included
    stickiness_days: tuple[tuple[int, ...], tuple[int, ...]] = field(default=((), ()), repr=False)

    @property
    def metric(self) -> str:
        return self.filters.metric

    @property
    def days(self) -> list[ActiveDay]:
        return _narrowed(self.series[self.metric], self.filters)

    @property
    def previous(self) -> list[ActiveDay]:
        return _narrowed(self.previous_series[self.metric], self.filters)


def _narrowed(days: list[ActiveDay], filters: ReportFilters) -> list[ActiveDay]:
    return [day.only(filters.deployment) for day in days] if filters.deployment else days


# How many people were active on a day and then not again for `gap` days, by deployment type and in all.
SPELLS = """
WITH seen AS MATERIALIZED ({seen}),
spells AS (
    SELECT deployment, day, lead(day) OVER (PARTITION BY user_id, deployment ORDER BY day) - day AS gap
      FROM seen
    UNION ALL
    SELECT 'all', day, lead(day) OVER (PARTITION BY user_id ORDER BY day) - day
      FROM (SELECT DISTINCT user_id, day FROM seen) AS once
)
SELECT deployment, day, least(coalesce(gap, %(longest)s), %(longest)s) AS gap, count(*)
  FROM spells GROUP BY 1, 2, 3
UNION ALL
SELECT 'in ' || span.name, NULL, NULL, count(DISTINCT seen.user_id)
  FROM unnest(%(spans)s::text[], %(firsts)s::date[], %(lasts)s::date[]) AS span (name, first, last)
  JOIN seen ON seen.day BETWEEN span.first AND span.last
   AND %(own)s IN ('all', seen.deployment)
 GROUP BY 1
"""

Counts = dict[tuple[str, date], dict[str, int]]  # (deployment, day) -> metric -> people


def active_users_report(filters: ReportFilters) -> ActiveUsersReport:
    """The report, exact."""
    before = filters.previous_complete
    last = filters.complete.last if filters.complete.length else None
    counts, in_span = _counts(filters)
    series = {metric: _days(filters, counts, metric) for metric in WINDOWS}
    previous: dict[str, list[ActiveDay]] = {metric: [] for metric in WINDOWS}
    if filters.compare:
        previous = {metric: _days(filters.previous, counts, metric) for metric in WINDOWS}
    own = filters.deployment or "all"

    def compared(metric: str, earlier: date) -> Compared:
        if last is None:
            return Compared(None)
        return Compared(counts[own, last][metric], counts[own, earlier][metric] if filters.compare else None)

    window = _window(counts, own, last)
    window_before = _window(counts, own, before.last if last and filters.compare else None)
    return ActiveUsersReport(
        filters=filters,
        series=series,
        previous_series=previous,
        yesterday=compared("dau", (last or filters.last) - timedelta(days=7)),
        wau=compared("wau", before.last),
        mau=compared("mau", before.last),
        average=_average(filters, series, previous),
        highest=_highest(filters, series),
        stickiness=Compared(
            _stickiness(window, counts[own, last]["mau"]) if last else None,
            _stickiness(window_before, counts[own, before.last]["mau"]),
        ),
        period_users=Compared(
            in_span["complete"] if last else None, in_span["before"] if filters.compare and last else None
        ),
        users_so_far=in_span["range"],
        stickiness_days=(window, window_before),
    )


def active_user_counts(filters: ReportFilters, spans: Sequence[ReportFilters]) -> list[int]:
    """Distinct people active on any day of each span, within the filters' segment; one scan for all."""
    first, last = min(span.first for span in spans), max(span.last for span in spans)
    rows = people(segment(filters, first, last))
    flags, parameters = [], dict(rows.parameters)
    for number, span in enumerate(spans):
        since, until = bounds(span.first, span.last)
        flags.append(f'"timestamp" >= %(from_{number})s AND "timestamp" < %(to_{number})s AS in_{number}')
        parameters |= {f"from_{number}": since, f"to_{number}": until}
    counts = ", ".join(f"count(DISTINCT user_id) FILTER (WHERE in_{number})" for number in range(len(spans)))
    seen = active_rows(filters, f"user_id, {', '.join(flags)}", rows.where)
    with report_cursor() as cursor:
        cursor.execute(f"SELECT {counts} FROM ({seen}) AS seen", parameters)
        return list(cursor.fetchone())


def _counts(filters: ReportFilters) -> tuple[Counts, dict[str, int]]:
    """People per deployment type and day for each metric, and distinct people per span of days.

    Reads from far enough back that the first day's 28 days, and the previous period's, are whole.
    """
    spans = {"range": filters, "complete": filters.complete}
    if filters.compare:
        spans["before"] = filters.previous_complete
    earliest = min(span.first for span in spans.values()) - timedelta(days=LONGEST + 7)
    rows = people(segment(filters, earliest, filters.last, by_deployment=False)).with_(
        longest=LONGEST,
        own=filters.deployment or "all",
        spans=list(spans),
        firsts=[span.first for span in spans.values()],
        lasts=[span.last for span in spans.values()],
    )
    columns = f"user_id, {DAY} AS day, {DEPLOYMENT} AS deployment"
    counts: Counts = defaultdict(lambda: dict.fromkeys(WINDOWS, 0))
    in_span = dict.fromkeys(("range", "complete", "before"), 0)
    with report_cursor() as cursor:
        cursor.execute(SPELLS.format(seen=active_rows(filters, columns, rows.where)), rows.parameters)
        for name, day, gap, number in cursor.fetchall():
            if day is None:
                in_span[name.removeprefix("in ")] = number
                continue
            for metric, width in WINDOWS.items():
                for offset in range(min(gap, width)):
                    counts[name, day + timedelta(days=offset)][metric] += number
    return counts, in_span


def _days(filters: ReportFilters, counts: Counts, metric: str) -> list[ActiveDay]:
    return [
        ActiveDay(
            day=day,
            total=counts["all", day][metric],
            cloud=counts["cloud", day][metric],
            self_hosted=counts["self-hosted", day][metric],
            unknown=counts["unknown", day][metric],
            complete=day < filters.today,
        )
        for day in days_between(filters.first, filters.last)
    ]


def _complete_totals(filters: ReportFilters, days: list[ActiveDay], until: date) -> list[int]:
    return [exact(day.total) for day in _narrowed(days, filters) if day.day <= until]


def _average(
    filters: ReportFilters, series: dict[str, list[ActiveDay]], previous: dict[str, list[ActiveDay]]
) -> Compared:
    now = _complete_totals(filters, series[filters.metric], filters.complete.last)
    then = _complete_totals(filters, previous[filters.metric], filters.previous_complete.last)
    return Compared(sum(now) / len(now) if now else None, sum(then) / len(then) if then else None)


def _highest(filters: ReportFilters, series: dict[str, list[ActiveDay]]) -> ActiveDay | None:
    complete = [day for day in _narrowed(series[filters.metric], filters) if day.complete]
    return max(complete, key=lambda day: exact(day.total), default=None)


def _window(counts: Counts, deployment: str, last: date | None) -> tuple[int, ...]:
    """Daily users of the 28 days that end on `last`."""
    if last is None:
        return ()
    return tuple(
        counts[deployment, day]["dau"] for day in days_between(last - timedelta(days=LONGEST - 1), last)
    )


def _stickiness(days: tuple[int, ...], monthly: int) -> float | None:
    return sum(days) / len(days) / monthly if days and monthly else None
