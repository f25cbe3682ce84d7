"""Active users: distinct people on a day, in the 7 and in the 28 days that end on it. Never sums of days."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import NamedTuple

from analytics.report_days import days_between
from analytics.reports.active_user_counts import (
    Counts,
    Seen,
    count_days,
    count_spans,
    earliest_day,
    enter_sealed,
    reached_from,
)
from analytics.reports.cells import Compared, Count, Withheld, exact
from analytics.reports.filters import ReportFilters
from analytics.reports.together import PeopleTogether, read_active_together
from analytics.rollups.layout import LONGEST_WINDOW, WINDOWS
from analytics.rollups.reading import reader as rollups
from analytics.rollups.reading.reader import SealedDay, Segment

NUMBERS = {"total": "", "cloud": "cloud", "self_hosted": "self-hosted", "unknown": "unknown"}  # of a day
# Days that are hidden beside other values of the dimensions asked for, by metric and number of a day.
Hidden = Mapping[tuple[str, str], Set[date]]


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


class Beside(NamedTuple):
    """The same days of another segment, whose numbers are shown, too: only for suppression."""

    history: dict[str, list[ActiveDay]]  # by metric
    is_part: bool  # lies inside the report's own segment


class WithoutKnown(NamedTuple):
    """The same days without organizations with account reports, whose figures are known; what is beside."""

    history: dict[str, list[ActiveDay]]
    beside: tuple[Beside, ...]


@dataclass(frozen=True, kw_only=True)
class ActiveUsersReport:
    """`series` and `previous_series` hold the days by metric (dau, wau, mau); previous days align with them.

    They hold all deployment types whatever the filter, so that suppression hides the same in a
    filtered view as in the whole. `days` and `previous` obey the filter.
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
    # For suppression, which needs them: every day that windows reach back to, the same of segments that this
    # one can be subtracted from, and people in each span under all filters.
    history: dict[str, list[ActiveDay]] = field(default_factory=dict, repr=False)
    beside: tuple[Beside, ...] = field(default=(), repr=False)
    rest: "WithoutKnown | None" = field(default=None, repr=False)
    together: PeopleTogether | None = field(default=None, repr=False, compare=False)
    hidden: Hidden = field(default_factory=dict, repr=False, compare=False)
    published: bool = False

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


def active_users_report(filters: ReportFilters, *, published: bool = False) -> ActiveUsersReport:
    """The exact report. Raises `ReportTimedOut`. With `published`, with all that suppression needs."""
    with rollups.reading() as reader:
        first = _compared_since(reader, filters) if published else earliest_day(filters)
        seen = reader.seen(Segment.of(filters), first, filters.last, activity=filters.activity)
        sealed = reader.sealed(first, filters.last)
        report = active_users_of(filters, seen, sealed)
        if not published:
            return report
        own = _compared_with(reader, filters, sealed, first)
        is_divided = reader.some_have_accounts
        rest = _compared_with(reader, filters, sealed, first, is_rest=True) if is_divided else None
        together = read_active_together(reader, filters, activity=filters.activity)
        hidden = _hidden_beside(reader, filters, first)
    return replace(
        report,
        history=own.history,
        beside=own.beside,
        rest=rest,
        together=together,
        hidden=hidden,
        published=True,
    )


def _hidden_beside(reader: rollups.Reader, filters: ReportFilters, first: date) -> Hidden:
    """What is hidden beside other values of the dimensions asked for."""
    if not filters.dimensions:
        return {}
    kind = "login" if filters.activity == "login" else "active"
    days, hidden = days_between(first, filters.last), {}
    for number, deployment in NUMBERS.items():
        segment = replace(Segment.of(filters), deployment=deployment)
        flags = reader.hidden_in_windows(kind, segment, first, filters.last, list(WINDOWS.values()))
        for metric, width in WINDOWS.items():
            hidden[metric, number] = {
                day for day, flag in zip(days, flags[width].tolist(), strict=True) if flag
            }
    return hidden


def _compared_since(reader: rollups.Reader, filters: ReportFilters) -> date:
    """What a window may show depends on the windows before it: they are compared from the first open day on,
    so that it is the same in every range that does not reach into sealed days."""
    opened = reader.begin((reader.sealed_until or date.min) + timedelta(days=1), filters.last)
    return min(earliest_day(filters), reached_from(opened))


def _compared_with(
    reader: rollups.Reader,
    filters: ReportFilters,
    sealed: Sequence[SealedDay],
    first: date,
    *,
    is_rest: bool = False,
) -> WithoutKnown:
    """The days from `first` on, and those of segments that they can be compared with. `is_rest`: of all
    organizations, only those without account reports."""

    def days_of(asked: ReportFilters) -> dict[str, list[ActiveDay]]:
        segment = Segment.of(asked)
        if is_rest and not asked.organization:
            segment = replace(segment, without_accounts=True)
        seen = reader.seen(segment, first, filters.last, activity=filters.activity)
        return _history(asked, seen, sealed, first)

    beside = []
    if filters.include_internal:
        beside.append(Beside(days_of(replace(filters, include_internal=False)), is_part=True))
    if filters.organization:
        beside.append(Beside(days_of(replace(filters, organization="")), is_part=False))
    return WithoutKnown(days_of(filters), tuple(beside))


def _history(
    filters: ReportFilters, seen: Seen, sealed: Sequence[SealedDay], first: date
) -> dict[str, list[ActiveDay]]:
    """Days by metric since `first`."""
    counts = count_days(filters, seen, first)
    enter_sealed(filters, counts, sealed)
    every_day = replace(filters, range="custom", first=first)
    return {metric: _days(every_day, counts, metric) for metric in WINDOWS}


def active_users_of(
    filters: ReportFilters, seen: Seen, sealed: Sequence[SealedDay] = ()
) -> ActiveUsersReport:
    """The report, from who was seen since `earliest_day` and from what was kept of sealed days."""
    before = filters.previous_complete
    last = filters.complete.last if filters.complete.length else None
    counts, in_span = count_days(filters, seen, earliest_day(filters)), count_spans(filters, seen)
    enter_sealed(filters, counts, sealed)
    series = {metric: _days(filters, counts, metric) for metric in WINDOWS}
    previous: dict[str, list[ActiveDay]] = {metric: [] for metric in WINDOWS}
    if filters.compare:
        previous = {metric: _days(filters.previous, counts, metric) for metric in WINDOWS}
    deployment = filters.deployment

    def compared(metric: str, earlier: date) -> Compared:
        if last is None:
            return Compared(None)
        return Compared(
            counts[deployment, last][metric], counts[deployment, earlier][metric] if filters.compare else None
        )

    window = _window(counts, deployment, last)
    window_before = _window(counts, deployment, before.last if last and filters.compare else None)
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
            _stickiness(window, counts[deployment, last]["mau"]) if last else None,
            _stickiness(window_before, counts[deployment, before.last]["mau"]),
        ),
        period_users=Compared(
            in_span["complete"] if last and filters.sealed_until is None else None,
            in_span["before"] if filters.compare and last else None,
        ),
        users_so_far=in_span["range"] if filters.sealed_until is None else Withheld.GONE,
        stickiness_days=(window, window_before),
    )


def _days(filters: ReportFilters, counts: Counts, metric: str) -> list[ActiveDay]:
    return [
        ActiveDay(
            day=day,
            total=counts["", day][metric],
            cloud=counts["cloud", day][metric],
            self_hosted=counts["self-hosted", day][metric],
            unknown=counts["unknown", day][metric],
            complete=day < filters.today,
        )
        for day in days_between(filters.first, filters.last)
    ]


def _complete_totals(filters: ReportFilters, days: list[ActiveDay], until: date) -> list[int]:
    """The totals of complete days; empty when one of them was not kept."""
    totals = [day.total for day in _narrowed(days, filters) if day.day <= until]
    known = [total for total in totals if isinstance(total, int)]
    return known if len(known) == len(totals) else []


def _average(
    filters: ReportFilters, series: dict[str, list[ActiveDay]], previous: dict[str, list[ActiveDay]]
) -> Compared:
    now = _complete_totals(filters, series[filters.metric], filters.complete.last)
    then = _complete_totals(filters, previous[filters.metric], filters.previous_complete.last)
    return Compared(sum(now) / len(now) if now else None, sum(then) / len(then) if then else None)


def _highest(filters: ReportFilters, series: dict[str, list[ActiveDay]]) -> ActiveDay | None:
    days = _narrowed(series[filters.metric], filters)
    complete = [day for day in days if day.complete and isinstance(day.total, int)]
    return max(complete, key=lambda day: exact(day.total), default=None)


def _window(counts: Counts, deployment: str, last: date | None) -> tuple[int, ...]:
    """Daily users of the 28 days that end on `last`; empty when one of them was not kept."""
    if last is None:
        return ()
    days = [
        counts[deployment, day]["dau"]
        for day in days_between(last - timedelta(days=LONGEST_WINDOW - 1), last)
    ]
    known = tuple(day for day in days if isinstance(day, int))
    return known if len(known) == len(days) else ()


def _stickiness(days: tuple[int, ...], monthly: Count) -> float | None:
    return sum(days) / len(days) / monthly if days and isinstance(monthly, int) and monthly else None
