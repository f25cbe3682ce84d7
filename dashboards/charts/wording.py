"""Texts in figures: values as hover shows them, and labels at the edge of the plot."""

from collections.abc import Callable, Sequence
from datetime import date

from analytics.reports.cells import Measure, Withheld
from dashboards.charts.plot import Number, Trace, token

LABEL_GAP_PX = 16
# Plotly reads a few tags and entities in texts, and our script reads `var(--token)` as a colour.
_READ_BY_PLOTLY = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def as_it_is(name: str) -> str:
    """A name that somebody sent, for a text in a figure: shown as it is, whatever it looks like."""
    return name.translate(_READ_BY_PLOTLY).replace("var(", "var&#40;")


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


def day_name(day: date) -> str:
    return f"{day.day} {day:%b}"


def edge_label(text: str, value: float, colour: str, *, shift: int = 0, name: str = "edge") -> Trace:
    """A label to the right of the plot, at a value. Narrow screens leave out those named "edge"."""
    return {
        "name": name,
        "xref": "paper",
        "x": 1,
        "xanchor": "left",
        "xshift": 8,
        "yref": "y",
        "y": value,
        "yshift": shift,
        "text": as_it_is(text),
        "showarrow": False,
        "align": "left",
        "font": {"color": token(colour), "size": 12, "weight": 600},
    }


def stacked_labels(
    labels: Sequence[tuple[str, float, str]], *, span: float, height_px: int = 330
) -> list[Trace]:
    """Labels (text, value, colour) from bottom to top, pushed apart where they would touch."""
    placed: list[Trace] = []
    last = -1e9
    for text, value, colour in labels:
        at = value / span * height_px if span else 0.0
        shift = max(0.0, last + LABEL_GAP_PX - at)
        last = at + shift
        placed.append(edge_label(text, value, colour, shift=round(shift)))
    return placed


def last_complete(days: Sequence[date], values: Sequence[Number], today: date) -> float:
    """The last final value, where a label belongs; 0 if there is none."""
    final = (value for day, value in zip(days, values, strict=True) if day < today and value is not None)
    return float(([*final] or [0])[-1])


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
