"""Reading the rows of one stretch of time, as columns of numbers, already counted where possible.

One statement for each table and hour, so that neither side holds more than an hour's rows at a time. Members
are read as 64-bit hashes: with a million members, two collide in one of 10⁷ instances.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from django.db.backends.utils import CursorWrapper
from numpy.typing import NDArray

from analytics.rollups.building.slicing import Slices
from analytics.rollups.histogram import buckets_of
from analytics.rollups.internal_use import AS_ARRIVED, Internal
from analytics.rollups.layout import DEPLOYMENT
from analytics.rollups.numbers import SENT_EPOCH_US, Flags, Floats, Numbers, decode_column, length_of_array

IDENTIFIED = "user_id NOT LIKE 'anon:%%'"
USER = f"CASE WHEN {IDENTIFIED} THEN user_id ELSE '' END"
MEMBER = f"""hashtextextended({USER}, hashtextextended(organization_id,
    CASE deployment_type WHEN 'cloud' THEN 1 WHEN 'self-hosted' THEN 2 ELSE 3 END
    + CASE WHEN {{internal}} THEN 4 ELSE 0 END))"""
WINDOW = '"timestamp" >= %(start)s AND "timestamp" < %(end)s'

# Rows are grouped by the values of the day's dimensions, which come last among the names.
ACTIVITY = f"""
SELECT {{dimensions}} array_send(array_agg({MEMBER})), array_send(array_agg("timestamp")),
       array_send(array_agg(event_type = 'login')),
       array_send(array_agg(CASE session_id WHEN '' THEN 0
                            ELSE hashtextextended(session_id, hashtextextended(user_id, 5)) END))
  FROM analytics_user_activity WHERE {WINDOW} AND {IDENTIFIED} {{grouped}} HAVING count(*) > 0
"""
FEATURES = f"""
SELECT feature_name, action,
       coalesce(CASE feature_name WHEN 'page_view' THEN event_metadata->>'page.path' END, '') AS page,
       {{dimensions}} array_send(array_agg({MEMBER})), array_send(array_agg("timestamp"))
  FROM analytics_feature_usage WHERE {WINDOW} {{grouped}}
"""
ENDPOINTS = f"""
SELECT endpoint, method, {{dimensions}} array_send(array_agg({MEMBER})), array_send(array_agg("timestamp")),
       array_send(array_agg(coalesce(duration_ms, 'NaN'))),
       array_send(array_agg(coalesce(status_code / 100, -1)))
  FROM analytics_endpoint_usage WHERE {WINDOW} {{grouped}}
"""
# Errors and timings are rows that the others count, too: of these statements only names and arrays differ.
PLACED = f"""{{columns}}, user_id, organization_id, deployment_type, is_internal, "timestamp", received_at,
       event_metadata FROM {{table}} WHERE {WINDOW} AND event_metadata ? 'error.type'"""
IN_FEATURE = PLACED.format(
    columns="CASE action WHEN 'failed' THEN feature_name ELSE feature_name || '/' || action END AS place",
    table="analytics_feature_usage",
)
ERRORS = f"""
SELECT event_metadata->>'error.type', coalesce(event_metadata->>'code.function.name', place),
       {{dimensions}} array_send(array_agg({MEMBER}))
  FROM (SELECT {IN_FEATURE}
     UNION ALL SELECT {PLACED.format(columns="method || ' ' || endpoint", table="analytics_endpoint_usage")}
       ) AS failed {{grouped}}
"""
TIMINGS = f"""
SELECT CASE action WHEN 'timed' THEN feature_name ELSE feature_name || '/' || action END AS name, '',
       {{dimensions}} array_send(array_agg({MEMBER})),
       array_send(array_agg((event_metadata->>'duration_ms')::float8)),
       array_send(array_agg(coalesce(CASE jsonb_typeof(event_metadata->'memory_mb')
           WHEN 'number' THEN (event_metadata->>'memory_mb')::float8 END, 'NaN')))
  FROM analytics_feature_usage
 WHERE {WINDOW} AND jsonb_typeof(event_metadata->'duration_ms') = 'number' {{grouped}}
"""
OWN_NAMES = {
    ACTIVITY: 0,
    FEATURES: 3,
    ENDPOINTS: 2,
    ERRORS: 2,
    TIMINGS: 2,
}  # columns before those of the dimensions
DIMENSION = "coalesce(event_metadata->>%({place})s::text, ''),"

NAMES = f"""
SELECT DISTINCT {MEMBER}, {USER}, organization_id, {DEPLOYMENT}, {{internal}}
  FROM {{table}} JOIN unnest(%(hashes)s::bigint[]) AS wanted ON wanted = {MEMBER} WHERE {WINDOW}
"""


class Combination(NamedTuple):
    """The member that a hash stands for; `user` is '' for nobody."""

    hash: int
    user: str
    organization: str
    deployment: str
    is_internal: bool


@dataclass(frozen=True)
class Columns:
    """Rows of one table, in small types. `member` indexes `Window.hashes`; the names of the day have `key`
    and `slice`."""

    member: NDArray[Any]
    key: NDArray[Any]
    slice: NDArray[Any]
    count: NDArray[Any]
    own: dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Window:
    """The rows of one stretch of time."""

    start: datetime
    end: datetime
    hashes: Numbers  # of the members, ascending
    first_us: Numbers  # each one's first event, microseconds since 1970
    activity: Columns  # a row each: time, is_login, session
    features: Columns  # by feature, action and page
    endpoints: Columns  # by endpoint, method, status class and bucket: is_known, total_ms
    errors: Columns  # by type and place
    timings: Columns  # by name and bucket: total_ms, with_memory, memory_mb
    events: int
    internal: Internal  # which rows count as internal use


class Names:
    """Numbers for the names of a day, in order of appearance."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[str, ...], int] = {}

    def number(self, *name: str) -> int:
        return self.numbers.setdefault(name, len(self.numbers))


@dataclass(frozen=True)
class DayNames:
    features: Names
    endpoints: Names
    errors: Names
    timings: Names
    slices: Slices


class Fetched(NamedTuple):
    """What the statements gave of the rows of one stretch of time, not decoded yet."""

    start: datetime
    end: datetime
    rows: dict[str, list[tuple[Any, ...]]]  # by statement


def fetch(
    cursor: CursorWrapper,
    start: datetime,
    end: datetime,
    dimensions: Sequence[str] = (),
    internal: Internal = AS_ARRIVED,
) -> Fetched:
    """The rows of [start, end). PostgreSQL does most of the work."""
    rows = {}
    for statement, width in OWN_NAMES.items():
        text, parameters = _by_slice(statement, width, dimensions)
        parameters |= {"start": start, "end": end} | internal.parameters
        cursor.execute(text.format(internal=internal.condition), parameters)
        rows[statement] = cursor.fetchall()
    return Fetched(start, end, rows)


def scan(fetched: Fetched, names: DayNames, internal: Internal = AS_ARRIVED) -> Window:
    """The same as columns of numbers. Forgets the rows, which take more memory."""

    def read(statement: str) -> _Rows:
        return _Rows.of(fetched.rows.pop(statement), OWN_NAMES[statement], names.slices)

    tables = [read(statement) for statement in (ACTIVITY, FEATURES, ENDPOINTS)]
    activity, features, endpoints = tables
    hashes = [rows.column(0, ">i8") for rows in tables]
    times = [rows.column(1, ">i8") for rows in tables]
    everybody, member = np.unique(np.concatenate(hashes), return_inverse=True)
    at = np.concatenate(times) + SENT_EPOCH_US
    first = np.full(len(everybody), np.iinfo(np.int64).max)
    np.minimum.at(first, member, at)
    ends = np.cumsum([len(of_table) for of_table in hashes])
    return Window(
        start=fetched.start,
        end=fetched.end,
        hashes=everybody,
        first_us=first,
        activity=_activity(activity, member[: ends[0]], at[: ends[0]]),
        features=_features(features, member[ends[0] : ends[1]], names.features),
        endpoints=_endpoints(endpoints, member[ends[1] :], names.endpoints),
        errors=_errors(read(ERRORS), everybody, names.errors),
        timings=_timings(read(TIMINGS), everybody, names.timings),
        events=int(ends[2]),
        internal=internal,
    )


class _Rows(NamedTuple):
    """What a statement gave: names, the values of the dimensions, and arrays, in so many columns."""

    rows: Sequence[Any]
    names: Sequence[tuple[str, ...]]
    slice: Numbers  # of each row
    sizes: Sequence[int]  # of each row's arrays
    first_array: int

    @classmethod
    def of(cls, rows: Sequence[Any], width: int, slices: Slices) -> "_Rows":
        first = width + len(slices.dimensions)
        sizes = [length_of_array(row[first], ">i8") for row in rows]
        found = [(row[width:first], size) for row, size in zip(rows, sizes, strict=True)]
        return cls(rows, [row[:width] for row in rows], slices.numbers_of(found), sizes, first)

    def column(self, place: int, kind: str) -> NDArray[Any]:
        """The elements of an array, of all rows."""
        return decode_column(self.rows, self.first_array + place, kind)

    def row(self) -> Numbers:
        """The row of each element."""
        return np.repeat(np.arange(len(self.rows)), self.sizes)

    def keys(self, names: Names) -> Numbers:
        """The number of each row's name."""
        return np.array([names.number(*name) for name in self.names], dtype=np.int64)


def _by_slice(statement: str, width: int, dimensions: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The statement with the values of these dimensions, and the parameters that it has for them."""
    parameters: dict[str, Any] = {f"dimension_{place}": name for place, name in enumerate(dimensions)}
    columns = range(1, width + len(dimensions) + 1)
    return (
        statement.replace(
            "{dimensions}", " ".join(DIMENSION.format(place=place) for place in parameters)
        ).replace("{grouped}", f"GROUP BY {', '.join(map(str, columns))}" if columns else ""),
        parameters,
    )


def _activity(rows: _Rows, member: Numbers, at: Numbers) -> Columns:
    own = {"at": at, "is_login": rows.column(2, "?"), "session": rows.column(3, ">i8")}
    nothing = np.zeros(len(member), dtype=np.int8)
    of_slice = rows.slice.astype(np.int32)[rows.row()]
    return Columns(member.astype(np.int32), nothing, of_slice, nothing + 1, own)


def _features(rows: _Rows, member: Numbers, names: Names) -> Columns:
    (row, member), count, _ = counted(rows.row(), member)
    return _columns(rows, row, member, count, names, {})


def _columns(
    rows: _Rows, row: Numbers, member: Numbers, count: Numbers, names: Names, own: dict[str, NDArray[Any]]
) -> Columns:
    key, of_slice = rows.keys(names).astype(np.int32)[row], rows.slice.astype(np.int32)[row]
    return Columns(member.astype(np.int32), key, of_slice, count.astype(np.int32), own)


def _endpoints(rows: _Rows, member: Numbers, names: Names) -> Columns:
    duration: Floats = rows.column(2, ">f8")
    is_known = ~np.isnan(duration)
    bucket = np.where(is_known, buckets_of(np.where(is_known, duration, 0.0)), 0)
    status = rows.column(3, ">i4").astype(np.int64)
    (row, member, status, is_known, bucket), count, which = counted(
        rows.row(), member, status, is_known.astype(np.int64), bucket
    )
    total = np.bincount(which, weights=np.nan_to_num(duration), minlength=len(count))
    own = {
        "status": status.astype(np.int32),
        "is_known": is_known.astype(np.bool_),
        "bucket": bucket.astype(np.int16),
        "total_ms": total,
    }
    return _columns(rows, row, member, count, names, own)


def _errors(rows: _Rows, everybody: Numbers, names: Names) -> Columns:
    member, is_known = _found(rows, everybody)
    (row, member), count, _ = counted(rows.row()[is_known], member[is_known])
    return _columns(rows, row, member, count, names, {})


def _timings(rows: _Rows, everybody: Numbers, names: Names) -> Columns:
    member, is_known = _found(rows, everybody)
    duration, memory = (rows.column(place, ">f8")[is_known] for place in (1, 2))
    (row, member, bucket), count, which = counted(
        rows.row()[is_known], member[is_known], buckets_of(np.maximum(duration, 0.0))
    )

    def summed(values: NDArray[Any]) -> Floats:
        return np.bincount(which, weights=values, minlength=len(count)).astype(np.float64)

    own: dict[str, NDArray[Any]] = {
        "bucket": bucket.astype(np.int16),
        "total_ms": summed(duration),
        "with_memory": summed(~np.isnan(memory)).astype(np.int32),
        "memory_mb": summed(np.nan_to_num(memory)),
    }
    return _columns(rows, row, member, count, names, own)


def _found(rows: _Rows, everybody: Numbers) -> tuple[Numbers, Flags]:
    """For each element its member's place, and whether it is there: rows may have come since the others were
    read, and their day is built again."""
    hashes = rows.column(0, ">i8")
    place = np.minimum(np.searchsorted(everybody, hashes), max(len(everybody) - 1, 0))
    is_known: Flags = everybody[place] == hashes if len(everybody) else np.zeros(len(hashes), dtype=np.bool_)
    return place, is_known


def counted(*columns: NDArray[Any]) -> tuple[tuple[Numbers, ...], Numbers, Numbers]:
    """The combinations of values, ascending, as columns; how often each occurs; which one each row has."""
    if not len(columns[0]):
        nothing = np.empty(0, dtype=np.int64)
        return tuple(nothing for _ in columns), nothing, nothing
    low = [int(column.min()) for column in columns]
    width = [int(column.max()) - least + 1 for column, least in zip(columns, low, strict=True)]
    key = np.zeros(len(columns[0]), dtype=np.int64)
    for column, least, size in zip(columns, low, width, strict=True):
        key = key * size + (column - least)
    order, keys = _in_order(key)
    is_first = np.ones(len(keys), dtype=np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=is_first[1:])
    which = np.empty(len(keys), dtype=np.int64)
    which[order] = np.cumsum(is_first) - 1
    starts = np.flatnonzero(is_first)
    keys, counts = keys[starts], np.diff(starts, append=len(key))
    values = []
    for least, size in zip(reversed(low), reversed(width), strict=True):
        values.append(keys % size + least)
        keys = keys // size
    return tuple(values[::-1]), counts, which


def _in_order(key: Numbers) -> tuple[Numbers, Numbers]:
    """The order that sorts keys (not negative), and the keys sorted.

    numpy sorts numbers ten times as fast as it finds their order, so both go into one number if they fit.
    """
    bits = len(key).bit_length()
    if int(key.max()).bit_length() + bits > 63:
        order = np.argsort(key)
        return order, key[order]
    packed = np.sort(key << bits | np.arange(len(key)))
    return packed & (1 << bits) - 1, packed >> bits


def combinations(cursor: CursorWrapper, window: Window, hashes: Numbers) -> list[Combination]:
    """What these hashes of a window stand for. Those whose rows have been deleted meanwhile are left out."""
    by_hash: dict[int, Combination] = {}
    for table in ("analytics_user_activity", "analytics_feature_usage", "analytics_endpoint_usage"):
        parameters = {"start": window.start, "end": window.end, "hashes": hashes.tolist()}
        statement = NAMES.format(table=table, internal=window.internal.condition)
        cursor.execute(statement, parameters | window.internal.parameters)
        by_hash |= {row[0]: Combination(*row) for row in cursor.fetchall()}
    return list(by_hash.values())
