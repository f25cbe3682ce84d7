"""Axes of figures: ticks on days, and where the scale ends."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from dashboards.charts.plot import Number

DAY_MS = 24 * 3600 * 1000


def iso(days: Sequence[date]) -> list[str]:
    return [day.isoformat() for day in days]


def day_axis(days: Sequence[date]) -> dict[str, Any]:
    """Ticks on days, Mondays, every second Monday, or firsts of months, the longer the range is."""
    if len(days) == 1:
        return {
            "range": iso([days[0] - timedelta(days=1), days[0] + timedelta(days=1)]),
            "dtick": DAY_MS,
        }
    axis: dict[str, Any] = {"range": iso([days[0], days[-1]])}
    if len(days) > 120:
        return axis | {"tick0": days[0].replace(day=1).isoformat(), "dtick": "M1", "tickformat": "%b %Y"}
    if len(days) < 15:
        return axis | {"dtick": DAY_MS}
    monday = days[0] - timedelta(days=days[0].weekday())
    return axis | {"tick0": monday.isoformat(), "dtick": 7 * DAY_MS * (1 if len(days) < 45 else 2)}


def top_of(*series: Sequence[Number]) -> float:
    """A little above the highest shown value; 1 when there is none."""
    highest = max((value for values in series for value in values if value is not None), default=0)
    return float(highest) * 1.1 or 1.0
