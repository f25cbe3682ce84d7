"""Lines and areas of figures: complete days, today, the previous period, and the texts that hover shows."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

from analytics.reports.cells import Measure
from dashboards.charts.axes import iso
from dashboards.charts.plot import Number, Trace, token
from dashboards.charts.wording import as_it_is, day_name, in_words
from dashboards.numbers import shown

GHOST = {"width": 1.5, "color": "var(--ghost)", "dash": "2px,4px"}


def hover_text(
    name: str,
    x: Sequence[Any],
    words: Sequence[str],
    colour: str,
    *,
    at: float = 0.0,
) -> Trace:
    """The text that hover shows at each point, also at hidden ones.

    It draws nothing: it is an area without height at the lower end of the axis. The lines themselves have no
    hover, because at a point that a line lacks, plotly would show a neighbour's value.
    """
    return {
        "type": "scatter",
        "mode": "lines",
        "name": as_it_is(name),
        "x": list(x),
        "y": [at] * len(words),
        "line": {"width": 0, "color": token(colour)},
        "fill": "tozeroy",
        "fillcolor": token(colour),
        "customdata": list(words),
        "hovertemplate": "%{customdata}",
    }


def areas(days: Sequence[date], values: Sequence[Number], colour: str, **more: Any) -> list[Trace]:
    """The filled shape below a line, one for each run of shown days: plotly would fill across gaps."""
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "x": iso(days[run]),
            "y": list(values[run]),
            "fill": "tozeroy",
            "fillcolor": token(colour),
            "line": {"width": 0},
            "hoverinfo": "skip",
        }
        | more
        for run in runs([value is not None for value in values])
    ]


def finished_line(
    days: Sequence[date], values: Sequence[Number], colour: str, width: float, today: date
) -> Trace:
    """The solid line, up to the last complete day."""
    done = [(day, value) for day, value in zip(days, values, strict=True) if day < today]
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(done) == 1 else "lines",
        "x": iso([day for day, _ in done]),
        "y": [value for _, value in done],
        "line": {"width": width, "color": token(colour)},
        "hoverinfo": "skip",
    }


def unfinished_line(
    days: Sequence[date], values: Sequence[Number], colour: str, width: float, today: date
) -> list[Trace]:
    """The dashed piece into today, when both of its ends may be shown."""
    if len(days) < 2 or days[-1] < today or values[-1] is None or values[-2] is None:
        return []
    return [
        {
            "type": "line",
            "layer": "above",
            "x0": days[-2].isoformat(),
            "x1": days[-1].isoformat(),
            "y0": values[-2],
            "y1": values[-1],
            "line": {"width": width, "color": token(colour), "dash": "3px,3px"},
        }
    ]


def veil(days: Sequence[date], today: date) -> list[Trace]:
    """A light sheet over today, the part of the plot that is not final."""
    if len(days) < 2 or days[-1] < today:
        return []
    return [
        {
            "type": "rect",
            "layer": "above",
            "xref": "x",
            "yref": "paper",
            "x0": days[-2].isoformat(),
            "x1": days[-1].isoformat(),
            "y0": 0,
            "y1": 1,
            "line": {"width": 0},
            "fillcolor": token("veil"),
        }
    ]


def earlier_lines(
    name: str,
    days: Sequence[date],
    values: Sequence[Measure],
    shift: timedelta,
    *,
    write: Callable[[float], str] = "{:,}".format,
    at: float = 0.0,
) -> list[Trace]:
    """The previous period, dotted, drawn on this period's days (same weekdays); nothing if it had no data."""
    if not any(values):
        return []
    line: Trace = {
        "type": "scatter",
        "mode": "lines",
        "x": iso(days),
        "y": [shown(value) for value in values],
        "line": GHOST,
        "hoverinfo": "skip",
    }
    words = [
        f"{in_words(value, write)} on {day_name(day - shift)}"
        for value, day in zip(values, days, strict=True)
    ]
    return [line, hover_text(name, iso(days), words, "ghost", at=at)]


def added(below: Sequence[Number], values: Sequence[Number]) -> list[Number]:
    """The next edge of a stack; None where `below` or the value is."""
    return [
        None if under is None or value is None else under + value
        for under, value in zip(below, values, strict=True)
    ]


def runs(flags: Sequence[bool]) -> list[slice]:
    """The runs of true flags, as slices."""
    stretches: list[slice] = []
    start: int | None = None
    for i, flag in enumerate([*flags, False]):
        if flag and start is None:
            start = i
        elif not flag and start is not None:
            stretches.append(slice(start, i))
            start = None
    return stretches
