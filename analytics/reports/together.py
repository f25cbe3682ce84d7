"""People of one figure under several filters, counted together, so that suppression marks all filters alike.

What a report is asked under filters is marked beside what others may ask: all deployment types, with and
without internal use, of all organizations and of the one asked for.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial

import numpy as np

from analytics.report_days import days_between
from analytics.reports.filters import ReportFilters
from analytics.reports.parameters import DEPLOYMENTS
from analytics.rollups.numbers import Flags, Numbers
from analytics.rollups.reading.reaches import Reaches, Span, SpanReaches
from analytics.rollups.reading.reader import Reader, Segment

# What is hidden beside other values of the dimensions asked for, by segment and what it is of (`Marks`).
Beside = Mapping[Segment, Mapping[str, Flags]]

ALL_TOGETHER = None  # stands among names for all of them together


@dataclass(frozen=True)
class AskedTogether:
    """Segments in layers, in the order in which they are shown: what an earlier one shows, a later one must
    not uncover. All organizations come before one, without internal use before with it, the whole before its
    deployment types."""

    layers: tuple[tuple[Segment, ...], ...]

    @classmethod
    def of(cls, filters: ReportFilters) -> "AskedTogether":
        """The layers up to that of the segment asked for."""
        layers, asked = [], Segment.of(filters)
        for organization in dict.fromkeys(("", filters.organization)):
            for internal in (False, True):
                for deployments in (("",), tuple(DEPLOYMENTS)):
                    layers.append(
                        tuple(
                            replace(
                                asked, deployment=name, organization=organization, include_internal=internal
                            )
                            for name in deployments
                        )
                    )
        until = next(place for place, layer in enumerate(layers) if asked in layer)
        return cls(tuple(layers[: until + 1]))

    @property
    def with_deployments(self) -> "AskedTogether":
        """The same, and the deployment types of the last layer."""
        (*_, last) = self.layers
        if len(last) > 1:
            return self
        parts = tuple(replace(last[0], deployment=name) for name in DEPLOYMENTS)
        return AskedTogether((*self.layers, parts))

    @property
    def as_counted(self) -> "AskedTogether":
        """The same where only numbers are known, not who counts in several: whole layers."""
        asked = self.with_deployments
        include_internal = asked.layers[-1][0].include_internal
        kept = (layer for layer in asked.layers if include_internal or not layer[0].include_internal)
        return AskedTogether(tuple(kept))

    @property
    def segments(self) -> list[Segment]:
        return [segment for layer in self.layers for segment in layer]

    @property
    def is_the_whole(self) -> bool:
        """Whether nothing else is asked for that the whole would have to be marked beside."""
        return len(self.layers) == 1


@dataclass(frozen=True)
class PeopleTogether:
    """Reaches of the people of each name (a feature, an endpoint and method): by day, and in each span
    (range, complete, before). And of those who were active at all."""

    asked: AskedTogether
    active: Mapping[str, Reaches]
    names: Sequence[Hashable] = ()
    days: Sequence[date] = ()
    daily: Reaches | None = None
    spans: Mapping[str, SpanReaches] = field(default_factory=dict)
    has_everybody: bool = False  # whether organizations with account reports count, too
    beside: Beside = field(default_factory=dict, repr=False)
    hidden: dict[Segment, Mapping[str, Flags]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def size(self) -> int:
        """Bytes, about."""
        reaches = [*self.active.values(), *(one for span in self.spans.values() for one in span)]
        return sum(one.people.nbytes for one in (*reaches, self.daily) if one is not None)

    def count(self, span: str, segment: Segment, *, twice: bool = False) -> Numbers:
        """By name: how many people; 0 where that was not counted."""
        reaches = self.spans.get(span)
        counted = reaches and (reaches.twice if twice else reaches.seen)
        if counted is None:
            return np.zeros(len(self.names), dtype=np.int64)
        return counted.inside(self.asked.segments.index(segment))


def with_segment(filters: ReportFilters, segment: Segment) -> ReportFilters:
    """The same question under other filters."""
    return replace(
        filters,
        deployment=segment.deployment,
        organization=segment.organization,
        include_internal=segment.include_internal,
    )


def spans_of(filters: ReportFilters) -> dict[str, tuple[date, date]]:
    """First and last day of each span."""
    spans = {"range": filters}
    if filters.complete.length:
        spans["complete"] = filters.complete
        if filters.compare:
            spans["before"] = filters.previous_complete
    return {name: (span.first, span.last) for name, span in spans.items()}


def read_together(
    reader: Reader,
    kind: str,
    filters: ReportFilters,
    names: Sequence[Hashable],
    *,
    asked: AskedTogether | None = None,
    repeated: Sequence[str] = (),
) -> PeopleTogether | None:
    """Who used each feature or called each endpoint (`kind`), to be marked together; None where one figure
    stands alone. `repeated`: spans of which it is also told who was there on two or more days.
    """
    marked = [Segment.of(filters), *(asked.layers[-1] if asked else ())]
    asked = asked or AskedTogether.of(filters)
    if stands_alone(reader, asked):
        return None
    active_beside = beside_of_active(reader, marked, spans_of(filters))
    if not names:
        active = _active(reader, asked, filters, "any")
        return PeopleTogether(asked, active=active, has_everybody=True, beside=active_beside)
    first = reader.begin(filters.previous.first if filters.compare else filters.first, filters.last)
    spans = spans_of(filters)
    twice = [spans[name] for name in repeated if name in spans]

    def count() -> PeopleTogether:
        rows = reader.row_reaches(kind, asked.segments, first, filters.last, names)
        counted = rows.spans(list(spans.values()), twice)
        return PeopleTogether(
            asked,
            active=_active(reader, asked, filters, "any"),
            names=names,
            days=days_between(first, filters.last),
            daily=reader.daily_reaches(kind, asked.segments, first, filters.last, names),
            spans=dict(zip(spans, counted, strict=True)),
            has_everybody=bool(filters.organization) or not reader.some_have_accounts,
            beside={
                segment: dict(active_beside[segment])
                | _beside_of_names(reader, kind, segment, names, spans, twice)
                | {"daily": reader.hidden_on_days(kind, segment, first, filters.last, names)}
                for segment in active_beside
            },
        )

    what = "together", kind, asked, tuple(active_beside), tuple(names), tuple(spans.items()), tuple(twice)
    together: PeopleTogether = reader.kept(what, first, filters.last, count)
    return together


def stands_alone(reader: Reader, asked: AskedTogether) -> bool:
    """Whether there is nothing beside which the figure would have to be marked."""
    (segment, *_) = asked.segments
    return asked.is_the_whole and not reader.some_have_accounts and not segment.dimensions


def beside_of_active(
    reader: Reader, segments: Sequence[Segment], spans: Mapping[str, Span], kind: str = "active"
) -> dict[Segment, dict[str, Flags]]:
    """What is hidden of who was active (who signed in, had a session: `kind`) in each span, beside other
    values. Nothing where no dimension is asked for."""
    first, last = min(first for first, _ in spans.values()), max(last for _, last in spans.values())

    def of(segment: Segment) -> dict[str, Flags]:
        hidden = reader.hidden_in_spans(kind, segment, list(spans.values()), [ALL_TOGETHER])
        return {f"{name} active": hidden[span, False][0] for name, span in spans.items()}

    return {
        segment: reader.kept(
            ("active beside", kind, segment, tuple(spans.items())),
            first,
            last,
            partial(of, segment),
            len,
        )
        for segment in dict.fromkeys(segments)
        if segment.dimensions
    }


def _beside_of_names(
    reader: Reader,
    kind: str,
    segment: Segment,
    names: Sequence[Hashable],
    spans: Mapping[str, Span],
    repeated: Sequence[Span],
) -> dict[str, Flags]:
    """The same of the people of each name."""
    hidden = reader.hidden_in_spans(kind, segment, list(spans.values()), names, repeated)
    return {
        f"{name} twice" if twice else name: hidden[span, twice]
        for name, span in spans.items()
        for twice in (False, True)
    }


def read_active_together(reader: Reader, filters: ReportFilters, *, activity: str) -> PeopleTogether | None:
    """The same of those who were active (who signed in, with `activity` “login”)."""
    asked = AskedTogether.of(filters)
    if stands_alone(reader, asked):
        return None
    kind = "login" if activity == "login" else "active"
    beside = beside_of_active(reader, [Segment.of(filters)], spans_of(filters), kind)
    return PeopleTogether(asked, active=_active(reader, asked, filters, activity), beside=beside)


def _active(
    reader: Reader, asked: AskedTogether, filters: ReportFilters, activity: str
) -> dict[str, Reaches]:
    spans = spans_of(filters)
    active = reader.active_reaches(asked.segments, *spans.values(), activity=activity)
    return dict(zip(spans, active, strict=True))
