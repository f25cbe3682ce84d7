"""The order of rows. Withheld cells sort as 0, so that a row's place tells nothing about them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TypeVar

from analytics.reports.cells import Withheld
from analytics.reports.endpoints import EndpointRow
from analytics.reports.errors import ErrorRow
from analytics.reports.features import FeatureRow
from analytics.reports.timings import TimingRow

Row = TypeVar("Row", FeatureRow, EndpointRow, ErrorRow, TimingRow)

FEATURE_COLUMNS: Mapping[str, Callable[[FeatureRow], object]] = {
    "users": lambda row: row.users,
    "uses": lambda row: row.uses,
    "share": lambda row: row.share,
    "per": lambda row: row.uses_per_user,
    "change": lambda row: row.change,
    "repeat": lambda row: row.repeat_users,
}
ENDPOINT_COLUMNS: Mapping[str, Callable[[EndpointRow], object]] = {
    "requests": lambda row: row.requests,
    "mean": lambda row: row.mean_ms,
    "p50": lambda row: row.p50_ms,
    "p95": lambda row: row.p95_ms,
    "p99": lambda row: row.p99_ms,
    "errors": lambda row: row.error_rate,
    "change": lambda row: row.change,
    "users": lambda row: row.users,
}

ERROR_COLUMNS: Mapping[str, Callable[[ErrorRow], object]] = {
    "users": lambda row: row.users,
    "occurrences": lambda row: row.occurrences,
    "first": lambda row: row.first_seen,
    "last": lambda row: row.last_seen,
    "change": lambda row: row.change,
}
TIMING_COLUMNS: Mapping[str, Callable[[TimingRow], object]] = {
    "calls": lambda row: row.calls,
    "mean": lambda row: row.mean_ms,
    "p50": lambda row: row.p50_ms,
    "p95": lambda row: row.p95_ms,
    "p99": lambda row: row.p99_ms,
    "memory": lambda row: row.memory_mb,
    "change": lambda row: row.change,
    "users": lambda row: row.users,
}


def sorted_features(rows: Sequence[FeatureRow], sort: str) -> list[FeatureRow]:
    """By `sort` (a column, `-` for descending); by users, most first, if features have no such column."""
    return _sorted(rows, sort, FEATURE_COLUMNS, "users", lambda row: row.feature)


def sorted_endpoints(rows: Sequence[EndpointRow], sort: str) -> list[EndpointRow]:
    """By `sort` (a column, `-` for descending); by requests, most first, if endpoints have no such column."""
    return _sorted(rows, sort, ENDPOINT_COLUMNS, "requests", lambda row: f"{row.endpoint} {row.method}")


def sorted_errors(rows: Sequence[ErrorRow], sort: str) -> list[ErrorRow]:
    """By `sort` (a column, `-` for descending); by users, most first, if errors have no such column."""
    return _sorted(rows, sort, ERROR_COLUMNS, "users", lambda row: f"{row.error_type} {row.place}")


def sorted_timings(rows: Sequence[TimingRow], sort: str) -> list[TimingRow]:
    """By `sort` (a column, `-` for descending); by calls, most first, if timings have no such column."""
    return _sorted(rows, sort, TIMING_COLUMNS, "calls", lambda row: row.name)


def _sorted(
    rows: Sequence[Row],
    sort: str,
    columns: Mapping[str, Callable[[Row], object]],
    default: str,
    name: Callable[[Row], str],
) -> list[Row]:
    column = sort.removeprefix("-")
    by_name = sorted(rows, key=name)
    if column in {"name", "endpoint"}:
        return by_name[::-1] if sort.startswith("-") else by_name
    if column not in columns:
        column, sort = default, f"-{default}"
    cell = columns[column]
    return sorted(by_name, key=lambda row: _number(cell(row)), reverse=sort.startswith("-"))


def _number(value: object) -> float:
    if isinstance(value, date):
        return float(value.toordinal())
    return 0.0 if value is None or isinstance(value, Withheld) else float(str(value))
