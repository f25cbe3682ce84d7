"""Where two reports differ. Counts must be equal; durations may differ by one per cent.

Percentiles are read from buckets, so each may be off by one per cent, and a change between two of them
by two. Everything else that reports are compared by must be equal, shares and means up to rounding.
"""

import dataclasses
import math
import operator
from collections.abc import Iterator
from typing import Any

from analytics.reports.endpoints import EndpointRow
from analytics.reports.timings import TimingRow

ONE_PER_CENT = 0.01
ROUNDING = 1e-9
WITHIN_ONE_PER_CENT = {"p50_ms", "p95_ms", "p99_ms", "previous_p95_ms", "median_seconds"}


def differences(actual: Any, expected: Any, path: str = "") -> list[str]:
    """One line for each difference: where it is, and both values."""
    return list(_differences(actual, expected, path, ROUNDING))


def _differences(actual: Any, expected: Any, path: str, tolerance: float) -> Iterator[str]:
    if type(actual) is not type(expected) and not (_is_number(actual) and _is_number(expected)):
        yield f"{path}: {actual!r}, not {expected!r}"
    elif dataclasses.is_dataclass(expected):
        for field in filter(operator.attrgetter("compare"), dataclasses.fields(expected)):
            yield from _named(actual, expected, field.name, path, tolerance)
    elif hasattr(expected, "_fields"):
        for name in expected._fields:
            yield from _named(actual, expected, name, path, tolerance)
    elif isinstance(expected, dict):
        yield from _differences(sorted(actual), sorted(expected), f"{path} keys", tolerance)
        for key in actual.keys() & expected.keys():
            yield from _differences(actual[key], expected[key], f"{path}[{key}]", tolerance)
    elif isinstance(expected, list | tuple):
        if len(actual) != len(expected):
            yield f"{path}: {len(actual)} entries, not {len(expected)}"
        for number, (one, other) in enumerate(zip(actual, expected, strict=False)):
            yield from _differences(one, other, f"{path}[{number}]", tolerance)
    elif not _is_equal(actual, expected, tolerance):
        yield f"{path}: {actual!r}, not {expected!r}"


def _named(actual: Any, expected: Any, name: str, path: str, tolerance: float) -> Iterator[str]:
    one, other = getattr(actual, name), getattr(expected, name)
    is_measured = isinstance(expected, EndpointRow | TimingRow)
    if name in WITHIN_ONE_PER_CENT or (is_measured and name == "trend"):
        tolerance = ONE_PER_CENT
    elif is_measured and name == "change" and None not in (one, other):
        one, other, tolerance = one + 1, other + 1, 2.1 * ONE_PER_CENT
    yield from _differences(one, other, f"{path}.{name}", tolerance)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_equal(actual: Any, expected: Any, tolerance: float) -> bool:
    if isinstance(actual, float) or isinstance(expected, float):
        return math.isclose(actual, expected, rel_tol=tolerance, abs_tol=ROUNDING)
    return bool(actual == expected)
