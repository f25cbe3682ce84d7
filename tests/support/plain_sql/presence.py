"""Who was there on which days: one scan of the events gives a bit per person and day.

Active users and retention are both questions about these bits. Counting distinct people in SQL took
twice as long: it hashed and sorted every day of every person.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from analytics.report_days import report_zone_name
from analytics.reports.filters import ReportFilters
from analytics.reports.parameters import DEPLOYMENTS
from tests.support.plain_sql.dimensions import in_dimensions
from tests.support.plain_sql.source import activity_sources, people, segment
from tests.support.plain_sql.statements import DAY, EVENT_TABLES, plain_cursor

Bits = NDArray[np.uint8]  # shape (people, bytes): a bit per day
Days = NDArray[np.bool_]  # shape (people, days)

BLOCK = 8192  # people whose bits are unpacked at a time
LENGTH_BYTES = 4  # what `bit_send` writes before the bits


@dataclass(frozen=True, kw_only=True)
class Presence:
    """Days from `first` on. Rows are people, the same ones in each array.

    `by_deployment` obeys the filters for the organization and for dimensions. `anywhere` obeys neither
    those nor the one for the deployment type: somebody's first day is the first one anywhere.
    """

    first: date
    length: int  # days
    by_deployment: dict[str, Bits]
    anywhere: Bits

    def column(self, day: date) -> int:
        return (day - self.first).days

    def blocks(self, *deployments: str) -> Iterator[tuple[Days, ...]]:
        """For blocks of people, their days on each deployment type ('' is any), and last those anywhere."""
        for start in range(0, len(self.anywhere), BLOCK):
            part = slice(start, start + BLOCK)
            by_type = {name: bits[part] for name, bits in self.by_deployment.items()}
            by_type[""] = np.bitwise_or.reduce(list(by_type.values()))
            chosen = [*(by_type[name] for name in deployments), self.anywhere[part]]
            yield tuple(np.unpackbits(bits, axis=1, count=self.length).view(np.bool_) for bits in chosen)

    def windows(self, name: str, widths: Sequence[int], first: date, last: date) -> list[list[int]]:
        """For each width, distinct people in that many days ending on each day from `first` to `last`."""
        low, high = self.column(first), self.column(last) + 1
        counts = np.zeros((len(widths), high - low), dtype=np.int64)
        columns = np.arange(low, high)
        for days, _ in self.blocks(name):
            # How many of somebody's days lie before each column; none before the first.
            before = np.zeros((len(days), self.length + 1), dtype=np.int16)
            np.cumsum(days, axis=1, out=before[:, 1:])
            until = before[:, np.clip(columns + 1, 0, self.length)]
            for place, width in enumerate(widths):
                since = before[:, np.clip(columns + 1 - width, 0, self.length)]
                counts[place] += (until > since).sum(axis=0)
        return counts.tolist()

    def distinct(self, name: str, first: date, last: date) -> int:
        """Distinct people on any of the days."""
        columns = slice(max(self.column(first), 0), max(self.column(last) + 1, 0))
        return sum(int(days[:, columns].any(axis=1).sum()) for days, _ in self.blocks(name))


OLDEST = """SELECT (min("timestamp") AT TIME ZONE %(zone)s)::date FROM {table}"""

SEEN = """
SELECT user_id, deployment_type, inside,
       bit_send(bit_or(set_bit(repeat('0', {length})::bit({length}), day, 1)))
  FROM ({rows}) AS active GROUP BY 1, 2, 3
"""


def presence(filters: ReportFilters, first: date | None, last: date, *, anywhere: bool = False) -> Presence:
    """Who was active on the days `first` to `last`; `first` None: from the oldest event that is kept.

    Without `anywhere` nothing outside the organization and the dimensions asked for is looked at.
    """
    if first is None:
        first = min(_oldest() or last, last)
    scope = replace(filters, organization="", dimensions=()) if anywhere else filters
    asked = in_dimensions(filters, first, last)
    rows = people(segment(scope, first, last, by_deployment=False)).with_(
        first_day=first, organization=filters.organization, **asked.parameters
    )
    inside = f"({'organization_id = %(organization)s AND ' if filters.organization else ''}{asked.where})"
    columns = f"user_id, deployment_type, {inside} AS inside, {DAY} - %(first_day)s::date AS day"
    # One hash table for all three: making each table's rows distinct first took twice as long.
    union = " UNION ALL ".join(
        f"(SELECT {columns} FROM {table} WHERE {condition} AND {rows.where})"
        for table, condition in activity_sources(filters)
    )
    length = (last - first).days + 1
    with plain_cursor() as cursor:
        cursor.execute(SEEN.format(length=length, rows=union), rows.parameters)
        return _presence(first, length, cursor.fetchall())


def _presence(first: date, length: int, rows: Iterable[tuple[str, str, bool, bytes]]) -> Presence:
    rows = list(rows)
    position: dict[str, int] = {}
    person = [position.setdefault(row[0], len(position)) for row in rows]
    packed = b"".join(bytes(row[3])[LENGTH_BYTES:] for row in rows)
    bits = np.frombuffer(packed, dtype=np.uint8).reshape(len(rows), (length + 7) // 8)
    shape = len(position), (length + 7) // 8
    by_deployment = {name: np.zeros(shape, dtype=np.uint8) for name in DEPLOYMENTS}
    anywhere = np.zeros(shape, dtype=np.uint8)
    for row, where in enumerate(person):
        _, deployment, inside, _ = rows[row]
        anywhere[where] |= bits[row]
        if inside:
            by_deployment[deployment if deployment in DEPLOYMENTS else "unknown"][where] |= bits[row]
    return Presence(first=first, length=length, by_deployment=by_deployment, anywhere=anywhere)


def _oldest() -> date | None:
    """The day of the oldest event. The primary key begins with the time, so this reads only the index."""
    with plain_cursor() as cursor:
        days = []
        for table in EVENT_TABLES:
            cursor.execute(OLDEST.format(table=table), {"zone": report_zone_name()})
            days.append(cursor.fetchone()[0])
    return min((day for day in days if day), default=None)
