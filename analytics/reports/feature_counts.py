"""Uses of features and their people, read from the roll-ups for the feature reports."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.reports.cells import Count, Withheld, of_people
from analytics.reports.filters import ReportFilters
from analytics.reports.parameters import DEPLOYMENTS
from analytics.rollups.reading.people import People
from analytics.rollups.reading.reader import Reader, SealedDay, Segment
from analytics.rollups.reading.requests import Uses as RolledUses


class FeatureUsers(NamedTuple):
    """People of one feature: in the range, in its complete days, before; `_twice`: on two or more days."""

    users: int = 0
    twice: int = 0
    complete: int = 0
    complete_twice: int = 0
    before: int = 0
    before_twice: int = 0


@dataclass
class FeatureCounts:
    """Counts of each feature that was used in the range or in the previous period."""

    people: dict[str, FeatureUsers] = field(default_factory=dict)
    users_on: dict[str, dict[date, Count]] = field(default_factory=dict)
    uses_on: dict[str, dict[date, int]] = field(default_factory=dict)
    actions: dict[str, int] = field(default_factory=dict)  # kinds of action, in the range


class FeatureDetail(NamedTuple):
    """More of one feature in the range. Actions: name, people, uses; most used first."""

    actions: list[tuple[str, int, int]]
    users_by_deployment: dict[str, int]


def read_features(reader: Reader, filters: ReportFilters, feature: str | None = None) -> FeatureCounts:
    """Counts of every feature, or of one: in the range and in the previous period."""
    first = reader.begin(filters.previous.first if filters.compare else filters.first, filters.last)
    people = reader.feature_people(Segment.of(filters), first, filters.last, feature=feature)
    uses = reader.uses(Segment.of(filters), first, filters.last, feature=feature)
    daily = zip(people.keys, of_people(people.daily(), people.daily_deserted()), strict=True)
    users_on = {name: dict(zip(people.days, users, strict=True)) for name, users in daily}
    counts = FeatureCounts(
        _people(people, filters), users_on, _by_feature(uses), _kinds_of_action(uses, filters)
    )
    if filters.reaches_sealed:
        _enter_sealed(counts, filters, reader.sealed(filters.first, filters.last))
    return counts


def _enter_sealed(counts: FeatureCounts, filters: ReportFilters, days: Iterable[SealedDay]) -> None:
    """Fill in the people kept of sealed days. They were kept for all deployment types together only."""
    for day in days:
        if day.is_sealed:
            for feature in counts.uses_on:
                people = day.features.get(feature, 0)
                users = Withheld.HIDDEN if people is None else people
                counts.users_on.setdefault(feature, {})[day.day] = (
                    Withheld.GONE if filters.deployment else users
                )


def read_feature_detail(reader: Reader, filters: ReportFilters, feature: str) -> FeatureDetail:
    """Actions of one feature in the range, and its people by deployment type."""
    segment, first, last = Segment.of(filters), filters.first, filters.last
    uses = reader.uses(segment, first, last, feature=feature)
    people = reader.action_people(segment, first, last, feature)
    (seen,) = people.spans((first, last), repeated=False)
    users = dict(zip(people.keys, of_people(seen.distinct, seen.deserted), strict=True))
    counts = zip(uses.keys, uses.daily.sum(axis=1).tolist(), strict=True)
    actions = [(action, users.get(action, 0), count) for (_, action), count in counts if count]
    by_deployment = {}
    for name in [filters.deployment] if filters.deployment else DEPLOYMENTS:
        of_type = reader.feature_people(replace(segment, deployment=name), first, last, feature=feature)
        by_deployment[name] = int(of_type.distinct(first, last).sum())
    return FeatureDetail(sorted(actions, key=lambda row: (-row[2], row[0])), by_deployment)


def _people(people: People[str], filters: ReportFilters) -> dict[str, FeatureUsers]:
    spans = [filters, filters.complete] + ([filters.previous_complete] if filters.compare else [])
    columns = [
        column
        for span in people.spans(*((span.first, span.last) for span in spans))
        for column in (of_people(span.distinct, span.deserted), span.repeated.tolist())
    ]
    return {name: FeatureUsers(*row) for name, *row in zip(people.keys, *columns, strict=True)}


def _by_feature(uses: RolledUses) -> dict[str, dict[date, int]]:
    """Uses of each feature on each day, all its actions together."""
    totals: dict[str, NDArray[np.int64]] = {}
    for (feature, _), counts in zip(uses.keys, uses.daily, strict=True):
        totals[feature] = totals[feature] + counts if feature in totals else counts
    return {
        feature: dict(zip(uses.days, counts.tolist(), strict=True))
        for feature, counts in totals.items()
        if counts.any()
    }


def _kinds_of_action(uses: RolledUses, filters: ReportFilters) -> dict[str, int]:
    if not uses.keys:
        return {}
    begin = max((filters.first - uses.days[0]).days, 0)
    used = (uses.daily[:, begin:].sum(axis=1) > 0).tolist()
    return Counter(feature for (feature, _), is_used in zip(uses.keys, used, strict=True) if is_used)
