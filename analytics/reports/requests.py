"""Requests and their durations, read from the roll-ups: by endpoint and method, by day, and together."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.reports.cells import Measure, ratio
from analytics.reports.filters import ReportFilters
from analytics.rollups.read import People, Reader, Requests, Segment

Name = tuple[str, str]  # endpoint and method
Trend = tuple[tuple[Measure, ...], tuple[int, ...]]

TOGETHER: Name = ("", "")  # all of them
PERCENTILES = (0.5, 0.95, 0.99)
P95 = (0.95,)


class Measures(NamedTuple):
    """Of one group of requests. Durations in milliseconds, None where none was sent."""

    requests: int = 0
    errors: int = 0
    mean: Measure = None
    percentiles: tuple[Measure, ...] = (None, None, None)
    users: int = 0  # identified ones


@dataclass
class Measured:
    """By name and span (range, complete, before), and by day: of all names together, or of the one asked for.

    Trends are p95 and people on each day of the range. What is not there had no requests.
    """

    spans: dict[tuple[Name, str], Measures] = field(default_factory=dict)
    days: dict[date, Measures] = field(default_factory=dict)
    trends: dict[Name, Trend] = field(default_factory=dict)


class Detail(NamedTuple):
    """Requests of one name in the range: by class of status, and by day and bucket of duration."""

    statuses: dict[str, int]
    latency: dict[tuple[date, int], int]


def read_endpoints(reader: Reader, filters: ReportFilters, name: Name | None = None) -> Measured:
    """Of every endpoint and method and of all together, or of one: the range and the period before."""
    first = filters.previous.first if filters.compare else filters.first
    requests = reader.requests(Segment.of(filters), first, filters.last, name=name)
    people = reader.endpoint_people(Segment.of(filters), first, filters.last, name=name)
    spans = {"range": filters}
    if filters.complete.length:
        spans["complete"] = filters.complete
        if filters.compare:
            spans["before"] = filters.previous_complete
    found = Measured(spans=_measured(requests, people, spans, together=name is None))
    found.days = _days(requests, people, together=name is None)
    if name is None:
        found.trends = _trends(requests, people, filters)
    return found


def read_detail(reader: Reader, filters: ReportFilters, name: Name) -> Detail:
    """Of one endpoint and method."""
    requests = reader.requests(Segment.of(filters), filters.first, filters.last, name=name)
    if not requests.keys:
        return Detail({}, {})
    (statuses,) = requests.statuses(filters.first, filters.last)
    (cells,) = requests.heat(filters.first, filters.last)
    latency = {
        (filters.first + timedelta(days=day), bucket): int(cells[day, bucket])
        for day, bucket in np.argwhere(cells).tolist()
    }
    return Detail(statuses, latency)


def _measured(
    requests: Requests, people: People[Name], spans: dict[str, ReportFilters], *, together: bool
) -> dict[tuple[Name, str], Measures]:
    """Each endpoint and method with requests in a span, and all of them together."""
    if not requests.keys:
        return {}
    bounds = [(span.first, span.last) for span in spans.values()]
    percentiles = requests.spans(PERCENTILES, *bounds)
    crowds = people.spans(*bounds, repeated=False)
    found = {}
    for span, (first, last), (by_name, of_all), crowd in zip(spans, bounds, percentiles, crowds, strict=True):
        columns = slice((first - requests.days[0]).days, (last - requests.days[0]).days + 1)
        sums = [
            numbers[:, columns].sum(axis=1)
            for numbers in (requests.requests, requests.errors, requests.known, requests.duration_ms)
        ]
        users = dict(zip(people.keys, crowd.distinct.tolist(), strict=True))
        for name, *numbers in zip(
            requests.keys, *(column.tolist() for column in sums), _known(by_name), strict=True
        ):
            if numbers[0]:
                found[name, span] = _measures(*numbers, users.get(name, 0))
        totals = [column.sum().item() for column in sums]
        if together and totals[0]:
            found[TOGETHER, span] = _measures(*totals, *_known(of_all[np.newaxis]), crowd.together)
    return found


def _measures(
    requests: int, errors: int, known: int, duration_ms: float, percentiles: tuple[Measure, ...], users: int
) -> Measures:
    return Measures(requests, errors, ratio(duration_ms, known), percentiles, users)


def _days(requests: Requests, people: People[Name], *, together: bool) -> dict[date, Measures]:
    """The days that had requests."""
    if not requests.keys:
        return {}
    sums = [
        numbers.sum(axis=0).tolist()
        for numbers in (requests.requests, requests.errors, requests.known, requests.duration_ms)
    ]
    percentiles = _known(requests.daily_percentiles_together(PERCENTILES))
    daily = people.daily_together() if together else people.daily().sum(axis=0)
    users = dict(zip(people.days, daily.tolist(), strict=True))
    return {
        day: _measures(*numbers, users.get(day, 0))
        for day, *numbers in zip(requests.days, *sums, percentiles, strict=True)
        if numbers[0]
    }


def _trends(requests: Requests, people: People[Name], filters: ReportFilters) -> dict[Name, Trend]:
    if not requests.keys:
        return {}
    begin = (filters.first - requests.days[0]).days
    p95 = _known(requests.daily_percentiles(P95)[:, begin:, 0])
    users = dict(zip(people.keys, people.daily()[:, begin:].tolist(), strict=True))
    nobody = [0] * filters.length
    return {
        name: (trend, tuple(users.get(name, nobody))) for name, trend in zip(requests.keys, p95, strict=True)
    }


def _known(values: NDArray[np.float64]) -> list[tuple[Measure, ...]]:
    """Rows of numbers, None for NaN."""
    objects = values.astype(object)
    objects[np.isnan(values)] = None
    return list(map(tuple, objects.tolist()))
