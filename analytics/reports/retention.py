"""Retention: of the people first seen on a day, how many came back.

People whose seven days are not over are *immature*: they count neither as back nor as gone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import dropwhile
from typing import NamedTuple

from django.utils import timezone

from analytics.report_days import days_between, week_of
from analytics.reports.cells import Compared, Count, Measure, Withheld, exact, ratio
from analytics.reports.filters import ReportFilters
from analytics.reports.retention_counts import (
    CURVE_DAYS,
    TRIANGLE_WEEKS,
    Cohorts,
    Ledger,
    Visits,
    cohort_weeks,
    read_cohorts,
)
from analytics.reports.together import AskedTogether, with_segment
from analytics.rollups.reading import reader as rollups
from analytics.rollups.reading.reader import Reader, Segment
from analytics.rollups.reading.sealed_days import SealedCohort


class Headline(NamedTuple):
    """The ledger: `new_users` = `immature` + `mature`; `rate` = `retained` / `mature`."""

    new_users: Count
    immature: Count  # their seven days are not over
    mature: Count
    retained: Count
    rate: Measure


class CurveDay(NamedTuple):
    """Of the people whose day `n` is over: how many were active on it, and on it or later."""

    n: int
    eligible: Count
    on_day: Count
    on_or_after: Count
    on_day_rate: Measure
    on_or_after_rate: Measure


class CohortCell(NamedTuple):
    """People of a cohort active in a later week; `open` while that week is not over."""

    week: int  # 0 is the cohort's own
    users: Count
    share: Measure
    open: bool


MOST_OTHERS = 12  # values of a dimension that one is compared with: those of the most slices


class CohortRow(NamedTuple):
    """Everyone first seen in the week that begins on `week_start` (a Monday), and the headline for them."""

    week_start: date
    users: Count
    cells: list[CohortCell]  # up to the present week, TRIANGLE_WEEKS at most
    mature: Count
    retained: Count
    rate: Measure
    open: bool  # somebody's seven days are not over
    is_sealed: bool = False  # counted, and small groups left out, when its first day was sealed


@dataclass(frozen=True, kw_only=True)
class RetentionReport:
    """`averages[k]`: share over all cohorts whose week k is over, weighted by size.

    Where every day of the range is sealed, only cohorts are known; all else is GONE.
    """

    filters: ReportFilters
    headline: Headline
    previous: Headline | None  # None without `compare`
    curve: list[CurveDay]  # days 1 to CURVE_DAYS
    cohorts: list[CohortRow]  # oldest first
    averages: list[Measure]
    beside: Mapping[Segment, "RetentionReport"] = field(default_factory=dict, repr=False, compare=False)
    beside_values: "Sequence[BesideValues]" = field(default=(), repr=False, compare=False)

    @property
    def rate(self) -> Compared:
        return Compared(self.headline.rate, self.previous.rate if self.previous else None)


class BesideValues(NamedTuple):
    """The same report without a value that is asked for, and with other values of its dimension."""

    whole: RetentionReport
    others: Sequence[RetentionReport]


def retention_report(
    filters: ReportFilters, *, now: datetime | None = None, published: bool = False
) -> RetentionReport:
    """The exact report. `now` decides which seven days are over (the last full minute when left out). With
    `published`, with the same report under all filters that are marked together.

    Raises `FilterError` where every day of the range is sealed and no cohort of them was kept.
    """
    now = now or timezone.now().replace(second=0, microsecond=0)  # so that what was counted can be kept
    with rollups.reading() as reader:
        kept = sealed_cohorts(reader, filters)
        if kept and filters.is_sealed(filters.last):
            return only_cohorts(filters, kept)
        open_days = filters.unsealed
        report = retention_of(open_days, read_cohorts(reader, open_days, now), kept)
        if not published:
            return report
        report = replace(report, beside_values=list(_beside_values(reader, open_days, now)))
        if AskedTogether.of(filters).is_the_whole:
            return report
        asked = AskedTogether.of(filters).as_counted
        beside = {}
        for segment in asked.segments:
            under = with_segment(open_days, segment)
            beside[segment] = retention_of(under, read_cohorts(reader, under, now))
        return replace(report, beside=beside)


def _beside_values(reader: Reader, filters: ReportFilters, now: datetime) -> Iterator[BesideValues]:
    """For each dimension asked for; and the whole, if several are."""
    dimensions, values = filters.dimensions, dict(reader.values_between(filters.first, filters.last))

    def under(asked: Iterable[tuple[str, str]]) -> RetentionReport:
        other = replace(filters, dimensions=tuple(asked))
        return retention_of(other, read_cohorts(reader, other, now))

    for name, value in dimensions:
        others = sorted({*values.get(name, ())[:MOST_OTHERS]} - {value})
        yield BesideValues(
            under(pair for pair in dimensions if pair[0] != name),
            [under((own, other if own == name else has) for own, has in dimensions) for other in others],
        )
    if len(dimensions) > 1:
        yield BesideValues(under(()), [])


def retention_of(filters: ReportFilters, cohorts: Cohorts, kept: Sequence[CohortRow] = ()) -> RetentionReport:
    """The report, from what was counted, and from the cohorts that were kept of sealed weeks."""
    mondays = [monday for monday in cohort_weeks(filters) if monday >= cohorts.since]
    rows = _from_the_first([*kept, *(_cohort_row(filters, cohorts, monday) for monday in mondays)])
    return RetentionReport(
        filters=filters,
        headline=_headline(cohorts, filters.first, filters.last),
        previous=_headline(cohorts, filters.previous.first, filters.previous.last)
        if filters.compare
        else None,
        curve=[_curve_day(n, cohorts.curve[n]) for n in range(1, CURVE_DAYS + 1)],
        cohorts=rows,
        averages=cohort_averages(rows),
    )


def only_cohorts(filters: ReportFilters, kept: list[CohortRow]) -> RetentionReport:
    """The report on days that are all sealed."""
    rows = _from_the_first(kept)
    return RetentionReport(
        filters=filters,
        headline=Headline(*[Withheld.GONE] * 5),
        previous=None,
        curve=[CurveDay(n, *[Withheld.GONE] * 5) for n in range(1, CURVE_DAYS + 1)],
        cohorts=rows,
        averages=cohort_averages(rows),
    )


def _from_the_first(rows: list[CohortRow]) -> list[CohortRow]:
    """Without the weeks before anybody was there."""
    return list(dropwhile(lambda row: not row.users, rows))


def sealed_cohorts(reader: Reader, filters: ReportFilters) -> list[CohortRow]:
    """The cohorts that were kept of sealed weeks: of everybody together, without internal use."""
    if filters.deployment or filters.is_narrow:
        return []
    mondays = cohort_weeks(filters)
    days = reader.sealed(mondays[0], mondays[-1] + timedelta(days=6))
    cohorts = {day.cohort.monday: day.cohort for day in days if day.cohort}
    kind = "login_window" if filters.definition == "login_window" else filters.activity
    return [_sealed_row(filters, cohorts[monday], kind) for monday in mondays if monday in cohorts]


def _sealed_row(filters: ReportFilters, cohort: SealedCohort, kind: str) -> CohortRow:
    counts = cohort.kinds[kind]
    users, mature, retained = (_kept(number) for number in counts[:3])
    weeks = [_kept(number) for number in counts.weeks]
    weeks += [Withheld.GONE] * (_weeks_until(filters.today, cohort.monday) - len(weeks))
    return CohortRow(
        week_start=cohort.monday,
        users=users,
        cells=[CohortCell(week, came, _share(came, users), open=False) for week, came in enumerate(weeks)],
        mature=mature,
        retained=retained,
        rate=_share(retained, mature),
        open=False,
        is_sealed=True,
    )


def _kept(number: int | None) -> Count:
    return Withheld.HIDDEN if number is None else number


def _share(part: Count, whole: Count) -> Measure:
    if isinstance(part, Withheld):
        return part
    return Withheld.HIDDEN if isinstance(whole, Withheld) else ratio(part, whole)


def _weeks_until(today: date, monday: date) -> int:
    """How many weeks a cohort is followed for, up to the present one."""
    return min((week_of(today) - monday).days // 7 + 1, TRIANGLE_WEEKS)


def cohort_averages(rows: list[CohortRow]) -> list[Measure]:
    """The share of each week over all cohorts, from the cells that are over and shown."""
    averages: list[Measure] = []
    for week in range(TRIANGLE_WEEKS):
        users = size = 0
        for row in rows:
            if not isinstance(row.users, int) or len(row.cells) <= week:
                continue
            cell = row.cells[week]
            if isinstance(cell.users, int) and not cell.open:
                users, size = users + cell.users, size + row.users
        averages.append(ratio(users, size))
    return averages


def _headline(cohorts: Cohorts, first: date, last: date) -> Headline:
    ledgers = [cohorts.ledgers[day] for day in days_between(first, last) if day in cohorts.ledgers]
    new, mature, retained = (sum(numbers) for numbers in zip(Ledger(), *ledgers, strict=True))
    return Headline(new, new - mature, mature, retained, ratio(retained, mature))


def _curve_day(n: int, visits: Visits) -> CurveDay:
    eligible, on_day, on_or_after = visits
    return CurveDay(n, *visits, ratio(on_day, eligible), ratio(on_or_after, eligible))


def _cohort_row(filters: ReportFilters, cohorts: Cohorts, monday: date) -> CohortRow:
    headline = _headline(cohorts, monday, monday + timedelta(days=6))
    users = exact(headline.new_users)
    cells = []
    for week in range(_weeks_until(filters.today, monday)):
        came = cohorts.weeks.get((monday, week), 0)
        is_open = monday + timedelta(weeks=week + 1) > filters.today
        cells.append(CohortCell(week, came, ratio(came, users), is_open))
    return CohortRow(
        week_start=monday,
        users=users,
        cells=cells,
        mature=headline.mature,
        retained=headline.retained,
        rate=headline.rate,
        open=headline.immature != 0 or monday + timedelta(days=6) >= filters.today,
    )
