"""Requests, durations and people by endpoint and method, read from the roll-ups for the endpoint reports."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.reports.cells import DESERTED, Measure, and_few_more, of_people, ratio
from analytics.reports.filters import ReportFilters
from analytics.reports.together import ALL_TOGETHER, PeopleTogether, read_together, spans_of
from analytics.rollups.reading.people import People
from analytics.rollups.reading.reaches import Span
from analytics.rollups.reading.reader import MEMORY, Reader, Segment
from analytics.rollups.reading.requests import Requests

Name = tuple[str, str]  # endpoint and method
Percentiles = tuple[Measure, Measure, Measure]
Trend = tuple[tuple[Measure, ...], tuple[int, ...]]

TOGETHER: Name = ("", "")  # all of them
PERCENTILES = (0.5, 0.95, 0.99)
P95 = (0.95,)
EVENTS = {"endpoint": "requests", "timing": "timings"}  # what they did, by the kind of people


class RequestMeasures(NamedTuple):
    """Measures of one group of requests. Durations in milliseconds, None when none was sent."""

    requests: int = 0
    errors: int = 0
    mean: Measure = None
    percentiles: Percentiles = (None, None, None)
    users: int = 0  # identified ones


@dataclass
class EndpointCounts:
    """Measures by name and span (range, complete, before), and by day: of all names together or of one.

    Trends are p95 and people on each day of the range. What is missing had no requests.
    """

    spans: dict[tuple[Name, str], RequestMeasures] = field(default_factory=dict)
    days: dict[date, RequestMeasures] = field(default_factory=dict)
    trends: dict[Name, Trend] = field(default_factory=dict)
    memory: dict[Name, Measure] = field(default_factory=dict)  # of what was timed: mean MB in the range
    published: bool = False
    together: PeopleTogether | None = None  # for suppression, if published


class EndpointDetail(NamedTuple):
    """Requests of one name in the range, by class of status and by day and bucket of duration."""

    statuses: dict[str, int]
    latency: dict[tuple[date, int], int]


def read_endpoints(
    reader: Reader,
    filters: ReportFilters,
    name: Name | None = None,
    *,
    kind: str = "endpoint",
    published: bool = False,
) -> EndpointCounts:
    """Counts of the range and of the previous period: of each name and all together, or of one name.

    Of `kind` “timing”: of what was timed, as if it were endpoints (without methods).

    With `published`, requests and durations are those of published cells.
    """
    first = reader.begin(filters.previous.first if filters.compare else filters.first, filters.last)
    segment, events = Segment.of(filters), EVENTS[kind]
    requests = reader.requests(segment, first, filters.last, kind=events, name=name, published=published)
    people = reader.endpoint_people(segment, first, filters.last, kind=kind, name=name)
    measured = _measured(requests, people, spans_of(filters), together=name is None)
    counts = EndpointCounts(spans=measured, published=published)
    counts.days = _days(requests, people, together=name is None)
    if kind == "timing":
        counts.memory = _memory(requests, filters)
    if name is None:
        counts.trends = _trends(requests, people, filters)
    if published:
        names = [ALL_TOGETHER, *people.keys] if name is None else people.keys
        counts.together = read_together(reader, kind, filters, names)
    return counts


def read_endpoint_detail(
    reader: Reader, filters: ReportFilters, name: Name, *, published: bool = False
) -> EndpointDetail:
    """Statuses and latency of one endpoint and method."""
    requests = reader.requests(
        Segment.of(filters), filters.first, filters.last, name=name, published=published
    )
    if not requests.keys:
        return EndpointDetail({}, {})
    (statuses,) = requests.statuses(filters.first, filters.last)
    (cells,) = requests.heat(filters.first, filters.last)
    latency = {
        (filters.first + timedelta(days=day), bucket): int(cells[day, bucket])
        for day, bucket in np.argwhere(cells).tolist()
    }
    return EndpointDetail(statuses, latency)


def _memory(requests: Requests, filters: ReportFilters) -> dict[Name, Measure]:
    """The mean memory (MB) of what was timed in the range, where it was sent, by name."""
    sent, total = (requests.total_of(name, filters.first, filters.last) for name in MEMORY)
    return dict(zip(requests.keys, map(ratio, total.tolist(), sent.tolist()), strict=True))


def _measured(
    requests: Requests, people: People[Name], spans: dict[str, Span], *, together: bool
) -> dict[tuple[Name, str], RequestMeasures]:
    """Measures of each name with requests in a span, and of all names together."""
    if not requests.keys:
        return {}
    measured = requests.spans(PERCENTILES, *spans.values())
    crowds = people.spans(*spans.values(), repeated=False)
    measures = {}
    for (span, days), (by_name, of_all), crowd in zip(spans.items(), measured, crowds, strict=True):
        sums = requests.totals(*days)
        users = dict(zip(people.keys, of_people(crowd.distinct, crowd.deserted), strict=True))
        rows = zip(*(column.tolist() for column in sums), strict=True)
        for name, row, percentiles in zip(requests.keys, rows, _known(by_name), strict=True):
            if row[0] or row[-1]:
                measures[name, span] = _measures(row, percentiles, users.get(name, 0))
        totals = [column.sum().item() for column in sums]
        if together and (totals[0] or totals[-1]):
            (percentiles,) = _known(of_all[np.newaxis])
            measures[TOGETHER, span] = _measures(
                totals, percentiles, DESERTED if crowd.all_deserted else crowd.together
            )
    return measures


def _measures(numbers: Sequence[Any], percentiles: Percentiles, users: int) -> RequestMeasures:
    """From the numbers of requests, errors, known durations, their sum, and of what is left out."""
    requests, errors, known, duration_ms, left_out = numbers
    mean = ratio(duration_ms, known)
    return RequestMeasures(and_few_more(requests, bool(left_out)), errors, mean, percentiles, users)


def _days(requests: Requests, people: People[Name], *, together: bool) -> dict[date, RequestMeasures]:
    """Measures of each day with requests."""
    if not requests.keys:
        return {}
    sums = [
        numbers.sum(axis=0).tolist()
        for numbers in (
            requests.requests,
            requests.errors,
            requests.known,
            requests.duration_ms,
            requests.left_out_on(),
        )
    ]
    percentiles = _known(requests.daily_percentiles_together(PERCENTILES))
    if together:
        daily, deserted = people.daily_together(), people.daily_all_deserted()
    else:
        daily, deserted = people.daily().sum(axis=0), np.logical_or.reduce(people.daily_deserted(), axis=0)
    users = dict(zip(people.days, of_people(daily, deserted), strict=True))
    rows = zip(*sums, strict=True)
    return {
        day: _measures(row, day_percentiles, users.get(day, 0))
        for day, row, day_percentiles in zip(requests.days, rows, percentiles, strict=True)
        if row[0] or row[-1]
    }


def _trends(requests: Requests, people: People[Name], filters: ReportFilters) -> dict[Name, Trend]:
    if not requests.keys:
        return {}
    begin = (filters.first - requests.days[0]).days
    none, nobody = (None,) * -begin, (0,) * -begin  # for the days before the first roll-up
    p95 = requests.daily_percentiles(P95)[:, max(begin, 0) :, 0]
    daily = of_people(people.daily(), people.daily_deserted())
    users = {name: counts[max(begin, 0) :] for name, counts in zip(people.keys, daily, strict=True)}
    return {
        name: (none + trend, nobody + tuple(users.get(name, (0,) * len(trend))))
        for name, trend in zip(requests.keys, _known(p95), strict=True)
    }


def _known(values: NDArray[np.float64]) -> list[Any]:
    """Rows of numbers as tuples, None for NaN."""
    objects = values.astype(object)
    objects[np.isnan(values)] = None
    return list(map(tuple, objects.tolist()))
