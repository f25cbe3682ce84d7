"""Marking people under several filters together: whatever is asked for, the same is hidden.

By construction: a segment is shown only if, with those that come before it, no people who count in the same
shown segments are few. Sums and differences of shown numbers are then sums of groups that are large enough.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
from django.conf import settings

from analytics.reports.cells import Withheld
from analytics.reports.filters import ReportFilters
from analytics.reports.suppression.rules import few
from analytics.reports.together import AskedTogether, PeopleTogether
from analytics.rollups.numbers import Flags, Numbers
from analytics.rollups.reading.reaches import Reaches
from analytics.rollups.reading.reader import Segment
from analytics.small_groups import are_enough, are_too_few

PeopleOrNone = Any  # a count of people, or None where it was not asked for


def hidden_together(reaches: Reaches, layers: Sequence[Sequence[int]]) -> Flags:
    """Which segments are hidden: shape (…, segments). `layers` list the bits of reaches, first to last.

    Within a layer the largest come first. Nobody is not hidden.
    """
    reach, people = reaches
    flat = people.reshape(int(np.prod(people.shape[:-1])), len(reach))
    numbers = [bit for layer in layers for bit in layer]
    sizes = np.stack([flat[:, (reach >> bit & 1).astype(np.bool_)].sum(axis=1) for bit in numbers], axis=1)
    hidden = are_too_few(sizes)
    some = np.flatnonzero(are_too_few(flat).any(axis=1))
    if len(some):
        hidden[some] = _hidden(flat[some], reach, sizes[some], layers)
    return hidden.reshape(*people.shape[:-1], len(numbers))


def _hidden(people: Numbers, reach: Numbers, sizes: Numbers, layers: Sequence[Sequence[int]]) -> Flags:
    """Of figures some of whose people are few. What is alike is looked at once: where people are enough, it
    does not matter how many they are."""
    occurs = people.any(axis=0)
    people, reach = people[:, occurs], reach[occurs]
    order, column = [], 0
    for layer in layers:
        own = sizes[:, column : column + len(layer)]
        order.append(np.array(layer)[np.argsort(-own, axis=1, kind="stable")])
        column += len(layer)
    bits = np.concatenate(order, axis=1)
    capped = np.minimum(people, int(settings.SUPPRESS_BELOW))
    alike = np.ascontiguousarray(np.concatenate([capped, bits], axis=1).astype(np.uint8))
    _, one, which = np.unique(
        alike.view(f"V{alike.shape[1]}").ravel(), return_index=True, return_inverse=True
    )
    shown = _shown(capped[one], reach, bits[one])[which]
    numbers = np.array([bit for layer in layers for bit in layer])
    hidden: Flags = (shown[:, np.newaxis] >> numbers & 1 == 0) & (sizes > 0)
    return hidden


def _shown(people: Numbers, reach: Numbers, bits: Numbers) -> Numbers:
    """Which segments are shown, as bits. `bits` lists the segments of each figure in their order."""
    shown = np.zeros(len(people), dtype=np.int64)
    for bit in bits.T:
        with_it = shown | 1 << bit
        size = (people * (reach >> bit[:, np.newaxis] & 1)).sum(axis=1)
        may_be_shown = are_enough(size) & _is_safe(people, reach & with_it[:, np.newaxis])
        shown = np.where(may_be_shown, with_it, shown)
    return shown


def _is_safe(people: Numbers, seen_in: Numbers) -> Flags:
    """Whether all who count in the same segments (`seen_in`, bits) are enough, or nobody."""
    safe = np.ones(len(people), dtype=np.bool_)
    for column in range(people.shape[1]):
        same = seen_in == seen_in[:, column : column + 1]
        together = (people * same).sum(axis=1)
        safe &= (seen_in[:, column] == 0) | ~are_too_few(together)
    return safe


def hidden_in(reaches: Reaches, asked: AskedTogether, segment: Segment) -> Flags:
    """Whether a segment is hidden, of several that are asked together: shape (…)."""
    bits = iter(range(len(asked.segments)))
    layers = [[next(bits) for _ in layer] for layer in asked.layers]
    hidden: Flags = hidden_together(reaches, layers)[..., asked.segments.index(segment)]
    return hidden


def _hidden_by_figure(together: PeopleTogether, segment: Segment) -> dict[str, Flags]:
    """By what they are of: the flags of `hidden_in`."""
    asked, hidden = together.asked, {}
    if together.daily is not None:
        hidden["daily"] = hidden_in(together.daily, asked, segment)
    for span, (seen, twice, once) in together.spans.items():
        hidden[span] = hidden_in(seen, asked, segment)
        if twice is not None and once is not None:
            hidden[f"{span} twice"] = hidden_in(twice, asked, segment) | hidden_in(once, asked, segment)
    for span, active in together.active.items():
        hidden[f"{span} active"] = hidden_in(active, asked, segment)
    for figure, flags in together.beside.get(segment, {}).items():
        hidden[figure] = hidden[figure] | flags if figure in hidden else flags
    return hidden


class Marks:
    """What is hidden of a report's people, for the segment asked for, or another of the same question."""

    def __init__(
        self, together: PeopleTogether | None, filters: ReportFilters, *, deployment: str | None = None
    ) -> None:
        segment = Segment.of(filters)
        if deployment is not None:
            segment = replace(segment, deployment=deployment)
        self._rows: dict[Hashable, int] = {}
        self._columns: dict[date, int] = {}
        self._hidden: Mapping[str, Flags] = {}
        if together is None:
            return
        self._rows = {name: row for row, name in enumerate(together.names)}
        self._columns = {day: column for column, day in enumerate(together.days)}
        hidden = together.hidden.get(segment)
        if hidden is None:
            hidden = together.hidden[segment] = _hidden_by_figure(together, segment)
        self._hidden = hidden

    def of(self, people: PeopleOrNone, name: Hashable, span: str) -> PeopleOrNone:
        """The people of a name in a span (range, complete, before), if they may be shown."""
        row = self._rows.get(name)
        is_hidden = row is not None and span in self._hidden and bool(self._hidden[span][row])
        return _marked(people, is_hidden)

    def twice(self, people: PeopleOrNone, name: Hashable, span: str) -> PeopleOrNone:
        """Those of them who were there on two or more days."""
        return self.of(self.of(people, name, span), name, f"{span} twice")

    def on(self, people: PeopleOrNone, name: Hashable, day: date) -> PeopleOrNone:
        """The people of a name on a day."""
        row, column = self._rows.get(name), self._columns.get(day)
        return _marked(
            people, row is not None and column is not None and bool(self._hidden["daily"][row, column])
        )

    def active(self, people: PeopleOrNone, span: str) -> PeopleOrNone:
        """Everybody who was active in a span."""
        return _marked(people, bool(self._hidden.get(f"{span} active", False)))


def _marked(people: PeopleOrNone, is_hidden: bool) -> PeopleOrNone:
    if isinstance(people, Withheld) or not people or few(people) or not is_hidden:
        return people
    return Withheld.HIDDEN
