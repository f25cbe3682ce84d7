"""Features: people per day, for the most used ones together and for a single one."""

from collections.abc import Sequence
from datetime import date
from operator import attrgetter

from analytics.reports.features import FeatureReport, FeatureRow, FeaturesReport
from dashboards.charts import axes, drawing, wording
from dashboards.charts.plot import Number, Plot, Trace, figure, token
from dashboards.numbers import shown

LINE_COLOURS = [f"series-{i}" for i in range(1, 6)]


def features_plot(report: FeaturesReport) -> Plot:
    """People per day of the five most used features: by users, or by uses if the range has sealed days."""
    filters, days = report.filters, list(report.days)
    measure = attrgetter("uses" if filters.reaches_sealed else "users")
    shown_rows = [row for row in report.rows if shown(measure(row)) is not None]
    rows = sorted(shown_rows, key=lambda row: -(shown(measure(row)) or 0))[: len(LINE_COLOURS)]
    traces: list[Trace] = []
    lines: list[Trace] = []
    shapes = drawing.veil(days, filters.today)
    for colour, row in zip(LINE_COLOURS, rows, strict=False):
        users = [shown(value) for value in row.trend]
        words = wording.day_words(row.trend, days, filters.today)
        traces.append(drawing.hover_text(row.feature, axes.iso(days), words, colour))
        lines.append(drawing.finished_line(days, users, colour, 1.75, filters.today))
        shapes += drawing.unfinished_line(days, users, colour, 1.75, filters.today)
    layout = {
        "shapes": shapes,
        "annotations": wording.today_note(days, filters.today),
        "margin": {"r": 24, "l": 48, "t": 10, "b": 32},
        "yaxis": {"range": [0, _highest_trend(rows)]},
        "xaxis": axes.day_axis(days),
    }
    names = [row.feature for row in rows]
    alt = f"Line plot of people per day for {', '.join(names)}. The table below has the period."
    return Plot("features", figure(traces + lines, layout), alt, names)


def _highest_trend(rows: Sequence[FeatureRow]) -> float:
    return axes.top_of(*([shown(value) for value in row.trend] for row in rows))


def feature_plot(report: FeatureReport) -> Plot:
    """People using one feature each day."""
    filters, days = report.filters, [day.day for day in report.days]
    users = [shown(day.users) for day in report.days]
    before = [day.users for day in report.previous]
    words = wording.day_words([day.users for day in report.days], days, filters.today)
    traces = [
        *drawing.areas(days, users, "band-2"),
        drawing.finished_line(days, users, "series-1", 2, filters.today),
        *drawing.earlier_lines(filters.shift_label.capitalize(), days, before, filters.shift),
        drawing.hover_text("Users", axes.iso(days), words, "series-1"),
    ]
    if days and filters.includes_today:
        traces.append(_open_end(days[-1:], users[-1:]))
    layout = {
        "shapes": drawing.unfinished_line(days, users, "series-1", 2, filters.today),
        "annotations": wording.today_note(days, filters.today),
        "margin": {"r": 24, "l": 44, "t": 10, "b": 32},
        "yaxis": {"range": [0, axes.top_of(users, [shown(value) for value in before])]},
        "xaxis": axes.day_axis(days),
    }
    alt = f"Line plot of the people who used {report.feature} each day. The table below has every value."
    return Plot("feature", figure(traces, layout), alt)


def _open_end(days: Sequence[date], values: Sequence[Number]) -> Trace:
    """A hollow dot: this value is not final."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": axes.iso(days),
        "y": list(values),
        "marker": {
            "size": 8,
            "color": token("surface"),
            "line": {"width": 2, "color": token("series-1")},
        },
        "cliponaxis": False,
        "hoverinfo": "skip",
    }
