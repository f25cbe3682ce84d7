"""Uses of features and their people, read from the roll-ups for the feature reports."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.reports.cells import AndFewMore, Count, Withheld, and_few_more, of_people
from analytics.reports.filters import ReportFilters
from analytics.reports.parameters import DEPLOYMENTS
from analytics.reports.together import AskedTogether, PeopleTogether, read_together
from analytics.rollups.reading.people import People
from analytics.rollups.reading.reader import Reader, SealedDay, Segment
from analytics.rollups.reading.sealed_days import SealedSpan, sealed_span
from analytics.rollups.reading.uses import Uses as RolledUses


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
    totals: dict[tuple[str, str], int] = field(default_factory=dict)  # by feature and span, if published
    published: bool = False
    together: PeopleTogether | None = None  # for suppression, if published
    kept: SealedSpan | None = None  # of the whole range, if that is a span whose people were kept

    def total(self, feature: str, span: str, days: Iterable[date]) -> int:
        """Uses of a feature in a span (range, complete, before), which has these days."""
        if self.published:
            return self.totals.get((feature, span), 0)
        uses_on = self.uses_on[feature]
        return sum(uses_on.get(day, 0) for day in days)


class FeatureDetail(NamedTuple):
    """More of one feature in the range. Actions: name, people, uses; most used first."""

    actions: list[tuple[str, int, int]]
    users_by_deployment: dict[str, int]


def read_features(
    reader: Reader, filters: ReportFilters, feature: str | None = None, *, published: bool = False
) -> FeatureCounts:
    """Counts of every feature, or of one: in the range and in the previous period.

    With `published`, uses are those of published cells.
    """
    first = reader.begin(filters.previous.first if filters.compare else filters.first, filters.last)
    people = reader.feature_people(Segment.of(filters), first, filters.last, feature=feature)
    uses = reader.uses(Segment.of(filters), first, filters.last, feature=feature, published=published)
    daily = zip(people.keys, of_people(people.daily(), people.daily_deserted()), strict=True)
    users_on = {name: dict(zip(people.days, users, strict=True)) for name, users in daily}
    totals = _totals(uses, filters) if published else {}
    kinds = _kinds_of_action(uses, filters)
    together = _together(reader, filters, people, one=feature is not None) if published else None
    if together and feature is None and together.has_everybody:
        by_name = _people_of(together, people, filters)
    else:
        by_name = _people(people, filters)
    counts = FeatureCounts(by_name, users_on, _by_feature(uses), kinds, totals, published, together)
    if filters.reaches_sealed:
        _enter_sealed(counts, filters, reader.sealed(filters.first, filters.last))
    return counts


def _enter_sealed(counts: FeatureCounts, filters: ReportFilters, days: Sequence[SealedDay]) -> None:
    """Fill in the people kept of sealed days. They were kept for all deployment types together only."""
    if not filters.deployment:
        counts.kept = sealed_span(filters.first, filters.last, days)
    for day in days:
        for feature in counts.uses_on:
            people = day.features.get(feature, 0)
            users = Withheld.HIDDEN if people is None else people
            counts.users_on.setdefault(feature, {})[day.day] = Withheld.GONE if filters.deployment else users


def read_feature_detail(
    reader: Reader, filters: ReportFilters, feature: str, *, published: bool = False
) -> FeatureDetail:
    """Actions of one feature in the range, and its people by deployment type."""
    segment, first, last = Segment.of(filters), filters.first, filters.last
    uses = reader.uses(segment, first, last, feature=feature, published=published, by_action=True)
    people = reader.action_people(segment, first, last, feature)
    (seen,) = people.spans((first, last), repeated=False)
    users = dict(zip(people.keys, of_people(seen.distinct, seen.deserted), strict=True))
    totals, left_out = uses.totals(first, last)
    counts = zip(uses.keys, map(and_few_more, totals.tolist(), left_out.tolist()), strict=True)
    actions = [
        (action, users.get(action, 0), count)
        for (_, action), count in counts
        if count or isinstance(count, AndFewMore)
    ]
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


def _people_of(
    together: PeopleTogether, people: People[str], filters: ReportFilters
) -> dict[str, FeatureUsers]:
    """The same, from what was counted together, which costs nothing more."""
    segment, columns = Segment.of(filters), []
    for name, span in {
        "range": filters,
        "complete": filters.complete,
        "before": filters.previous_complete,
    }.items():
        number = together.count(name, segment)
        columns.append(of_people(number, people.deserted(span.first, span.last) & (number == 0)))
        columns.append(together.count(name, segment, twice=True).tolist())
    return {name: FeatureUsers(*row) for name, *row in zip(people.keys, *columns, strict=True)}


def _together(
    reader: Reader, filters: ReportFilters, people: People[str], *, one: bool
) -> PeopleTogether | None:
    asked = AskedTogether.of(filters)
    if one:
        return read_together(
            reader,
            "feature",
            filters,
            people.keys,
            asked=asked.with_deployments,
            repeated=("range", "complete", "before"),
        )
    return read_together(reader, "feature", filters, people.keys, asked=asked, repeated=("range",))


def _by_feature(uses: RolledUses) -> dict[str, dict[date, int]]:
    """Uses of each feature on each day, all its actions together."""
    totals: dict[str, NDArray[np.int64]] = {}
    some: dict[str, NDArray[np.bool_]] = {}
    for (feature, _), counts, more in zip(uses.keys, uses.daily, uses.left_out_on(), strict=True):
        totals[feature] = totals[feature] + counts if feature in totals else counts
        some[feature] = some[feature] | more if feature in some else more
    return {
        feature: dict(zip(uses.days, map(and_few_more, counts.tolist(), some[feature].tolist()), strict=True))
        for feature, counts in totals.items()
        if counts.any() or some[feature].any()
    }


def _totals(uses: RolledUses, filters: ReportFilters) -> dict[tuple[str, str], int]:
    """Uses by feature and span, all actions together."""
    spans = {"range": filters, "complete": filters.complete, "before": filters.previous_complete}
    totals: dict[tuple[str, str], int] = {}
    for name, span in spans.items():
        if not span.length or (name == "before" and not filters.compare):
            continue
        for (feature, _), number, more in zip(uses.keys, *uses.totals(span.first, span.last), strict=True):
            before = totals.get((feature, name), 0)
            left_out = bool(more) or isinstance(before, AndFewMore)
            totals[feature, name] = and_few_more(before + int(number), left_out)
    return totals


def _kinds_of_action(uses: RolledUses, filters: ReportFilters) -> dict[str, int]:
    if not uses.keys:
        return {}
    totals, left_out = uses.totals(filters.first, filters.last)
    used = ((totals > 0) | left_out).tolist()
    return Counter(feature for (feature, _), is_used in zip(uses.keys, used, strict=True) if is_used)
