"""The vocabulary of our figures: lines, bands, unfinished days, labels at the edge.

Figures are plain data, checked against plotly.py's own schema. Colours travel as `var(--token)`:
the browser resolves them, so the server never knows the theme. `None` is a hidden count: it draws
nothing, and nothing here works it out from other numbers.
"""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

import plotly.graph_objects as go  # type: ignore[import-untyped]

from analytics.reports.cells import Measure, Withheld
from dashboards.numbers import shown

Figure = dict[str, Any]
Trace = dict[str, Any]
Number = float | int | None

GHOST = {"width": 1.5, "color": "var(--ghost)", "dash": "2px,4px"}
DAY_MS = 24 * 3600 * 1000
LABEL_GAP_PX = 16


class Plot(NamedTuple):
    """A figure on a page: its id there, the figure, the finding in one sentence, what its key names."""

    id: str
    figure: Figure
    alt: str
    key: Sequence[str] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to see: hidden points and hover's helpers draw nothing, zeros no shape."""
        return not any(
            number
            for trace in self.figure["data"]
            if "customdata" not in trace
            for number in trace.get("y", ())
        )

    @property
    def script_id(self) -> str:
        return f"figure-{self.id}"


def token(name: str) -> str:
    return f"var(--{name})"


def figure(traces: list[Trace], layout: dict[str, Any]) -> Figure:
    """The figure as plain lists and dicts. Raises ValueError when plotly does not know a property."""
    checked: Figure = go.Figure({"data": traces, "layout": layout}).to_plotly_json()
    checked["layout"].pop("template", None)  # the page brings ours (candid.json)
    return checked


def iso(days: Sequence[date]) -> list[str]:
    return [day.isoformat() for day in days]


def by_mouse(
    name: str,
    x: Sequence[Any],
    words: Sequence[str],
    colour: str,
    *,
    at: float = 0.0,
) -> Trace:
    """What hover says about each point, hidden ones included, in words.

    It draws nothing: an area without height, on the lower end of the axis. Were the drawn lines to
    answer the mouse, a point that they lack would be answered with its neighbour's value.
    """
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": list(x),
        "y": [at] * len(words),
        "line": {"width": 0, "color": token(colour)},
        "fill": "tozeroy",
        "fillcolor": token(colour),
        "customdata": list(words),
        "hovertemplate": "%{customdata}",
    }


def day_words(
    values: Sequence[Measure],
    days: Sequence[date],
    today: date,
    write: Callable[[float], str] = "{:,}".format,
) -> list[str]:
    """1,234 · 1,234 so far · <5 · no data"""
    return [
        in_words(value, write) + (" so far" if day >= today else "")
        for value, day in zip(values, days, strict=True)
    ]


def in_words(value: Measure, write: Callable[[float], str] = "{:,}".format) -> str:
    if value is None:
        return "no data"
    return str(value) if isinstance(value, Withheld) else write(value)


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
    """The drawn line: up to the last day that is over."""
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
    """A light sheet over the part of the plot that is not over."""
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
    """The previous period, dotted, on this period's days (same weekdays); nothing when it had no data."""
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
    return [line, by_mouse(name, iso(days), words, "ghost", at=at)]


def day_name(day: date) -> str:
    return f"{day.day} {day:%b}"


def edge_label(text: str, value: float, colour: str, *, shift: int = 0, name: str = "edge") -> Trace:
    """A label right of the plot, at a value. Those named "edge" leave on narrow screens."""
    return {
        "name": name,
        "xref": "paper",
        "x": 1,
        "xanchor": "left",
        "xshift": 8,
        "yref": "y",
        "y": value,
        "yshift": shift,
        "text": text,
        "showarrow": False,
        "align": "left",
        "font": {"color": token(colour), "size": 12, "weight": 600},
    }


def stacked_labels(
    labels: Sequence[tuple[str, float, str]], *, span: float, height_px: int = 330
) -> list[Trace]:
    """Labels (text, value, colour), bottom to top, pushed apart where they would touch."""
    placed: list[Trace] = []
    last = -1e9
    for text, value, colour in labels:
        at = value / span * height_px if span else 0.0
        shift = max(0.0, last + LABEL_GAP_PX - at)
        last = at + shift
        placed.append(edge_label(text, value, colour, shift=round(shift)))
    return placed


def last_complete(days: Sequence[date], values: Sequence[Number], today: date) -> float:
    """The last value that is final, 0 when there is none: where a label belongs."""
    final = (value for day, value in zip(days, values, strict=True) if day < today and value is not None)
    return float(([*final] or [0])[-1])


def added(below: Sequence[Number], values: Sequence[Number]) -> list[Number]:
    """The next edge of a stack; None where either is not known."""
    return [
        None if under is None or value is None else under + value
        for under, value in zip(below, values, strict=True)
    ]


def runs(flags: Sequence[bool]) -> list[slice]:
    """The stretches of true flags."""
    found: list[slice] = []
    start: int | None = None
    for i, flag in enumerate([*flags, False]):
        if flag and start is None:
            start = i
        elif not flag and start is not None:
            found.append(slice(start, i))
            start = None
    return found


def today_note(days: Sequence[date], today: date, text: str = "today so far") -> list[Trace]:
    if not days or days[-1] < today:
        return []
    return [
        {
            "xref": "x",
            "x": days[-1].isoformat(),
            "xanchor": "right",
            "yref": "paper",
            "y": 1,
            "yanchor": "top",
            "xshift": -4,
            "text": text,
            "showarrow": False,
            "font": {"size": 11, "color": token("ink-3")},
        }
    ]


def day_axis(days: Sequence[date]) -> dict[str, Any]:
    """Ticks on Mondays, every second one on longer ranges, and on firsts of the month on a year's."""
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
