"""People and occurrences of errors, read from the roll-ups for the errors report."""

from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

import numpy as np

from analytics.reports.cells import DESERTED, Count, Withheld, and_few_more, of_people
from analytics.reports.filters import ReportFilters
from analytics.reports.together import ALL_TOGETHER, PeopleTogether, read_together, spans_of
from analytics.rollups.reading.people import People
from analytics.rollups.reading.reader import Reader, Segment
from analytics.rollups.reading.uses import Uses

KIND = "error"  # of people in the roll-ups

Name = tuple[str, str]  # error type and place

TOGETHER: Name = ("", "")  # all of them


class ErrorMeasures(NamedTuple):
    """Of one error, or of all together."""

    users: int = 0  # identified ones
    occurrences: int = 0
    only_few: int = 0  # of all together: people who met nothing that enough people met


@dataclass
class ErrorCounts:
    """Measures by name and span (range, complete, before), and of all names together by day.

    Trends are occurrences on each day of the range, seen the first and the last day of the range that shows
    some. What is missing did not occur.
    """

    spans: dict[tuple[Name, str], ErrorMeasures] = field(default_factory=dict)
    days: dict[date, ErrorMeasures] = field(default_factory=dict)
    trends: dict[Name, tuple[Count, ...]] = field(default_factory=dict)
    seen: dict[Name, tuple[date, date]] = field(default_factory=dict)
    published: bool = False
    together: PeopleTogether | None = None  # for suppression, if published


def read_errors(reader: Reader, filters: ReportFilters, *, published: bool = False) -> ErrorCounts:
    """Counts of the range and of the previous period: of each error and of all together.

    With `published`, occurrences are those of published cells.
    """
    first = reader.begin(filters.previous.first if filters.compare else filters.first, filters.last)
    segment = Segment.of(filters)
    uses = reader.uses(segment, first, filters.last, kind="errors", published=published)
    people: People[Name] = reader.people(KIND, segment, first, filters.last)
    counts = ErrorCounts(spans=_measured(uses, people, filters), published=published)
    counts.days = _days(uses, people)
    _enter_trends(counts, uses, filters)
    if published:
        counts.together = read_together(reader, KIND, filters, [ALL_TOGETHER, *people.keys])
    return counts


def _measured(
    uses: Uses, people: People[Name], filters: ReportFilters
) -> dict[tuple[Name, str], ErrorMeasures]:
    """Measures of each error that occurred in a span, and of all together."""
    if not uses.keys:
        return {}
    spans, measures = spans_of(filters), {}
    crowds = people.spans(*spans.values(), repeated=False, only_few=True)
    for (span, days), crowd in zip(spans.items(), crowds, strict=True):
        totals, left_out = uses.totals(*days)
        users = dict(zip(people.keys, of_people(crowd.distinct, crowd.deserted), strict=True))
        for name, number, more in zip(uses.keys, totals.tolist(), left_out.tolist(), strict=True):
            if number or more:
                measures[name, span] = ErrorMeasures(users.get(name, 0), and_few_more(number, more))
        if totals.any() or left_out.any():
            everybody = DESERTED if crowd.all_deserted else crowd.together
            occurrences = and_few_more(int(totals.sum()), bool(left_out.any()))
            measures[TOGETHER, span] = ErrorMeasures(everybody, occurrences, crowd.only_few)
    return measures


def _days(uses: Uses, people: People[Name]) -> dict[date, ErrorMeasures]:
    """Measures of each day with errors, all together."""
    left_out = np.logical_or.reduce(uses.left_out_on(), axis=0).tolist()
    number = uses.daily.sum(axis=0).tolist()
    users = dict(
        zip(people.days, of_people(people.daily_together(), people.daily_all_deserted()), strict=True)
    )
    return {
        day: ErrorMeasures(users.get(day, 0), and_few_more(occurrences, more))
        for day, occurrences, more in zip(uses.days, number, left_out, strict=True)
        if occurrences or more
    }


def _enter_trends(counts: ErrorCounts, uses: Uses, filters: ReportFilters) -> None:
    """By error: what each day of the range shows of it, and the first and last of these days that do."""
    begin = (filters.first - uses.days[0]).days if uses.days else 0
    nothing = (0,) * -begin  # for the days before the first roll-up
    days = uses.days[max(begin, 0) :]
    for name, numbers, left_out in zip(uses.keys, uses.daily, uses.left_out_on(), strict=True):
        own, more = numbers[max(begin, 0) :].tolist(), left_out[max(begin, 0) :].tolist()
        shown = map(and_few_more, own, more)
        counts.trends[name] = nothing + tuple(
            Withheld.HIDDEN if not one and few else one for one, few in zip(shown, more, strict=True)
        )
        seen = [day for day, number in zip(days, own, strict=True) if number]
        if seen:
            counts.seen[name] = seen[0], seen[-1]
