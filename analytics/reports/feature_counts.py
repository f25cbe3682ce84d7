"""FeatureCounts of features and their people, read from the roll-ups."""

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
    """What was counted of each feature that the range or the period before knows."""

    people: dict[str, FeatureUsers] = field(default_factory=dict)
    users_on: dict[str, dict[date, Count]] = field(default_factory=dict)
    uses_on: dict[str, dict[date, int]] = field(default_factory=dict)
    actions: dict[str, int] = field(default_factory=dict)  # kinds of action, in the range


class FeatureDetail(NamedTuple):
    """What was counted of one feature in the range. Actions: name, people, uses; most used first."""

    actions: list[tuple[str, int, int]]
    users_by_deployment: dict[str, int]


def read_features(reader: Reader, filters: ReportFilters, feature: str | None = None) -> FeatureCounts:
    """Of every feature, or of one: the range and the period before."""
    first = reader.begin(filters.previous.first if filters.compare else filters.first, filters.last)
    people = reader.feature_people(Segment.of(filters), first, filters.last, feature=feature)
    uses = reader.uses(Segment.of(filters), first, filters.last, feature=feature)
    daily = zip(people.keys, of_people(people.daily(), people.daily_deserted()), strict=True)
    users_on = {name: dict(zip(people.days, users, strict=True)) for name, users in daily}
    found = FeatureCounts(
        _people(people, filters), users_on, _by_feature(uses), _kinds_of_action(uses, filters)
    )
    if filters.reaches_sealed:
        _enter_sealed(found, filters, reader.sealed(filters.first, filters.last))
    return found


def _enter_sealed(found: FeatureCounts, filters: ReportFilters, days: Iterable[SealedDay]) -> None:
    """What was kept of sealed days' people: of all deployment types together."""
    for day in days:
        if day.is_sealed:
            for feature in found.uses_on:
                kept = day.features.get(feature, 0)
                users = Withheld.HIDDEN if kept is None else kept
                found.users_on.setdefault(feature, {})[day.day] = (
                    Withheld.GONE if filters.deployment else users
                )


def read_feature_detail(reader: Reader, filters: ReportFilters, feature: str) -> FeatureDetail:
    """Of one feature in the range."""
    segment, first, last = Segment.of(filters), filters.first, filters.last
    uses = reader.uses(segment, first, last, feature=feature)
    people = reader.action_people(segment, first, last, feature)
    (found,) = people.spans((first, last), repeated=False)
    users = dict(zip(people.keys, of_people(found.distinct, found.deserted), strict=True))
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
    """FeatureCounts of each feature on each day, all its actions together."""
    found: dict[str, NDArray[np.int64]] = {}
    for (feature, _), counts in zip(uses.keys, uses.daily, strict=True):
        found[feature] = found[feature] + counts if feature in found else counts
    return {
        feature: dict(zip(uses.days, counts.tolist(), strict=True))
        for feature, counts in found.items()
        if counts.any()
    }


def _kinds_of_action(uses: RolledUses, filters: ReportFilters) -> dict[str, int]:
    if not uses.keys:
        return {}
    begin = max((filters.first - uses.days[0]).days, 0)
    used = (uses.daily[:, begin:].sum(axis=1) > 0).tolist()
    return Counter(feature for (feature, _), is_used in zip(uses.keys, used, strict=True) if is_used)
