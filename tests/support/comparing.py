"""Whether two reports say the same: counts exactly, durations within one per cent.

Percentiles are read from buckets, so they may be off by a hundredth, and what is made of two of them
by twice that. Everything else must be equal; shares and means up to the rounding of a sum.
"""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

from analytics.reports.endpoints import EndpointRow

ONE_PER_CENT = 0.01
ROUNDING = 1e-9
WITHIN_ONE_PER_CENT = {"p50_ms", "p95_ms", "p99_ms", "previous_p95_ms", "median_seconds"}


def differences(found: Any, wanted: Any, path: str = "") -> list[str]:
    """One line for each place in which the first differs from the second: where, and the two values."""
    return list(_differences(found, wanted, path, ROUNDING))


def _differences(found: Any, wanted: Any, path: str, tolerance: float) -> Iterator[str]:
    if type(found) is not type(wanted) and not (_is_number(found) and _is_number(wanted)):
        yield f"{path}: {found!r}, not {wanted!r}"
    elif dataclasses.is_dataclass(wanted):
        for field in dataclasses.fields(wanted):
            yield from _named(found, wanted, field.name, path, tolerance)
    elif hasattr(wanted, "_fields"):
        for name in wanted._fields:
            yield from _named(found, wanted, name, path, tolerance)
    elif isinstance(wanted, dict):
        yield from _differences(sorted(found), sorted(wanted), f"{path} keys", tolerance)
        for key in found.keys() & wanted.keys():
            yield from _differences(found[key], wanted[key], f"{path}[{key}]", tolerance)
    elif isinstance(wanted, list | tuple):
        if len(found) != len(wanted):
            yield f"{path}: {len(found)} entries, not {len(wanted)}"
        for number, (one, other) in enumerate(zip(found, wanted, strict=False)):
            yield from _differences(one, other, f"{path}[{number}]", tolerance)
    elif not _is_equal(found, wanted, tolerance):
        yield f"{path}: {found!r}, not {wanted!r}"


def _named(found: Any, wanted: Any, name: str, path: str, tolerance: float) -> Iterator[str]:
    one, other = getattr(found, name), getattr(wanted, name)
    if name in WITHIN_ONE_PER_CENT or (isinstance(wanted, EndpointRow) and name == "trend"):
        tolerance = ONE_PER_CENT
    elif isinstance(wanted, EndpointRow) and name == "change" and None not in (one, other):
        one, other, tolerance = one + 1, other + 1, 2.1 * ONE_PER_CENT
    yield from _differences(one, other, f"{path}.{name}", tolerance)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_equal(found: Any, wanted: Any, tolerance: float) -> bool:
    if isinstance(found, float) or isinstance(wanted, float):
        return math.isclose(found, wanted, rel_tol=tolerance, abs_tol=ROUNDING)
    return bool(found == wanted)
