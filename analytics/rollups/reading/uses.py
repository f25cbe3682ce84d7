"""How often features were used: counts by feature and action, and day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from analytics.rollups.numbers import Flags, Numbers
from analytics.rollups.reading.counted import Counted, Joined, Name, Unpublished, asked_for, columns, named
from analytics.rollups.reading.directory import NameNumbers
from analytics.rollups.reading.published import Levels


@dataclass(frozen=True)
class Uses:
    """How often features were used. `daily` has the shape (keys, days); a key is feature and action.

    With `levels`, `daily` holds what the days publish, and `totals` what blocks do, too.
    """

    keys: list[Name]
    days: list[date]
    daily: Numbers
    _rest: Unpublished
    _rows: Numbers

    @classmethod
    def of(
        cls,
        days: list[date],
        counted: Mapping[date, Counted],
        groups: Flags,
        rows: NameNumbers,
        feature: str | None = None,
        levels: Levels | None = None,
    ) -> "Uses":
        joined = Joined(days, counted, groups, asked_for(rows, feature), "count", levels=levels)
        daily = joined.counts(joined["count"])
        keys, chosen = named(rows, (daily.sum(axis=1) > 0) | joined.rest.rows)
        return cls(keys, days, daily[chosen], joined.rest, chosen)

    def totals(self, first: date, last: date) -> tuple[Numbers, Flags]:
        """By key: uses on these days, and whether some are left out."""
        low, high = columns(self.days, first, last)
        uses = self.daily[:, low:high].sum(axis=1)
        if not len(self._rest):
            return uses, np.zeros(len(uses), dtype=np.bool_)
        more = self._rest.sums(self._rest["count"], low, high).astype(np.int64)
        return uses + more[self._rows], self._rest.left_out(low, high)[self._rows]

    def left_out_on(self) -> Flags:
        """Shape (keys, days): whether uses of a day are not in `daily`."""
        left_out = np.zeros((self._rest.length, len(self.days)), dtype=np.bool_)
        left_out[self._rest["row"], self._rest["day"]] = True
        return left_out[self._rows]
