"""Marking retention under several filters together. It knows how many people each filter counts, not who."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from analytics.reports.cells import Measure, Withheld
from analytics.reports.parameters import DEPLOYMENTS
from analytics.reports.retention import CohortRow, CurveDay, Headline, RetentionReport
from analytics.reports.suppression.rules import hidden_measure
from analytics.reports.suppression.together import hidden_in
from analytics.reports.together import AskedTogether
from analytics.rollups.numbers import Numbers
from analytics.rollups.reading.reaches import Reaches
from analytics.rollups.reading.reader import Segment
from analytics.small_groups import enough, too_few

Hidden = set[Hashable]


def marked_together(report: RetentionReport) -> RetentionReport:
    """The report without numbers that would give few away beside the same under other filters."""
    hidden = _hidden_beside_values(report)
    if report.beside:
        hidden |= _hidden(report)
    if not hidden:
        return report
    return replace(
        report,
        headline=_headline(report.headline, "headline", hidden),
        previous=report.previous and _headline(report.previous, "previous", hidden),
        curve=[_curve_day(day, hidden) for day in report.curve],
        cohorts=[_cohort(row, hidden) for row in report.cohorts],
    )


def _numbers(report: RetentionReport) -> dict[Hashable, int]:
    """Every count of people in the report, by its place."""
    places: dict[Hashable, Any] = {}
    for name, ledger in (("headline", report.headline), ("previous", report.previous)):
        if ledger is not None:
            places |= {(name, field): getattr(ledger, field) for field in Headline._fields[:4]}
    for day in report.curve:
        places |= {(day.n, field): getattr(day, field) for field in CurveDay._fields[1:4]}
    for row in report.cohorts:
        own = {"users": row.users, "mature": row.mature, "retained": row.retained}
        own |= {f"week {cell.week}": cell.users for cell in row.cells}
        places |= {(row.week_start, field): count for field, count in own.items()}
    return {place: count for place, count in places.items() if isinstance(count, int)}


def _hidden(report: RetentionReport) -> Hidden:
    segment = Segment.of(report.filters)
    asked = AskedTogether.of(report.filters).as_counted
    by_segment = {one: _numbers(other) for one, other in report.beside.items()}
    places = sorted({place for numbers in by_segment.values() for place in numbers}, key=str)
    counts = {
        one.of_members: np.array([numbers.get(place, 0) for place in places], dtype=np.int64)
        for one, numbers in by_segment.items()
    }
    flags = hidden_in(_reaches(asked, counts), asked, segment)
    return {place for place, is_hidden in zip(places, flags.tolist(), strict=True) if is_hidden}


def _hidden_beside_values(report: RetentionReport) -> Hidden:
    """What would give few away beside the same without a value asked for, or with another one."""
    own, hidden = _numbers(report), set()
    for beside in report.beside_values:
        whole, others = _numbers(beside.whole), [_numbers(other) for other in beside.others]
        for place, number in own.items():
            beside_it = [other.get(place, 0) for other in others]
            if number and not _stands_apart(number, whole.get(place, 0), beside_it):
                hidden.add(place)
    return hidden


def _stands_apart(number: int, whole: int, others: Iterable[int]) -> bool:
    """Whether a number of a dimension's value leaves none or enough of the whole: by itself, with a larger
    one, or with all larger ones if it is the last. How many are in two of them is unknown."""
    shown = [other for other in others if enough(other)]
    larger = [other for other in shown if other >= number]
    differences = [whole - number, *(abs(whole - number - other) for other in larger)]
    if len(larger) == len(shown):
        differences.append(abs(whole - number - sum(larger)))
    return not any(map(too_few, differences))


def _reaches(asked: AskedTogether, counts: Mapping[Segment, Numbers]) -> Reaches:
    """People as if each had one deployment type, was internal or not, of the organization or of another one.

    Those who are counted more than once are people of all deployment types.
    """
    segments = asked.segments
    organization = segments[-1].organization
    people, reach = [], []
    for own, internal in product((True, False) if organization else (False,), (False, True)):
        parts = {
            name: _only(counts, name, organization if own else "", organization, internal=internal)
            for name in ("", *DEPLOYMENTS)
        }
        kinds = {name: parts[name] for name in DEPLOYMENTS if parts[name].any()}
        together = sum(kinds.values(), np.zeros_like(parts[""]))
        for name, number in kinds.items():
            people.append(number)
            reach.append(_bits(segments, {name}, own, internal))
        people.append(np.maximum(together - parts[""], 0))
        reach.append(_bits(segments, set(DEPLOYMENTS), own, internal))
        people.append(np.maximum(parts[""] - together, 0))
        reach.append(_bits(segments, set(), own, internal))
    return Reaches(np.array(reach, dtype=np.int64), np.stack(people, axis=-1))


def _only(
    counts: Mapping[Segment, Numbers], deployment: str, asked: str, beside: str, *, internal: bool
) -> Numbers:
    """How many are not internal (or are so only), of the organization (or of all others than `beside`)."""

    def count(organization: str, *, with_internal: bool) -> Numbers:
        nobody = np.zeros_like(next(iter(counts.values())))
        return counts.get(Segment(deployment, organization, with_internal), nobody)

    def of(with_internal: bool) -> Numbers:
        number = count(asked, with_internal=with_internal)
        return number if asked or not beside else number - count(beside, with_internal=with_internal)

    number = of(True) - of(False) if internal else of(False)
    return np.maximum(number, 0)


def _bits(segments: list[Segment], deployments: set[str], own: bool, internal: bool) -> int:
    """The reach of people of these deployment types."""
    return sum(
        1 << number
        for number, segment in enumerate(segments)
        if (segment.deployment in deployments or not segment.deployment)
        and (own or not segment.organization)
        and (segment.include_internal or not internal)
    )


def _mark(value: Any, place: Hashable, hidden: Hidden) -> Any:
    is_number = isinstance(value, int) and value
    return Withheld.HIDDEN if is_number and place in hidden else value


def _rate(rate: Measure, *counts: object) -> Measure:
    return hidden_measure(rate, rate is not None and any(count is Withheld.HIDDEN for count in counts))


def _headline(ledger: Headline, name: str, hidden: Hidden) -> Headline:
    new, immature, mature, retained = (
        _mark(getattr(ledger, field), (name, field), hidden) for field in Headline._fields[:4]
    )
    return Headline(new, immature, mature, retained, _rate(ledger.rate, mature, retained))


def _curve_day(day: CurveDay, hidden: Hidden) -> CurveDay:
    eligible, on_day, later = (
        _mark(getattr(day, field), (day.n, field), hidden) for field in CurveDay._fields[1:4]
    )
    on_day_rate, later_rate = (
        _rate(rate, eligible, count)
        for rate, count in ((day.on_day_rate, on_day), (day.on_or_after_rate, later))
    )
    return CurveDay(day.n, eligible, on_day, later, on_day_rate, later_rate)


def _cohort(row: CohortRow, hidden: Hidden) -> CohortRow:
    users, mature, retained = (
        _mark(getattr(row, field), (row.week_start, field), hidden)
        for field in ("users", "mature", "retained")
    )
    cells = []
    for cell in row.cells:
        came = _mark(cell.users, (row.week_start, f"week {cell.week}"), hidden)
        cells.append(cell._replace(users=came, share=_rate(cell.share, came, users)))
    return row._replace(
        users=users, mature=mature, retained=retained, cells=cells, rate=_rate(row.rate, mature, retained)
    )
