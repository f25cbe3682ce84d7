"""One number of each day as a filled line, the previous period dotted."""

from collections.abc import Sequence
from datetime import date

from analytics.reports.cells import Measure
from analytics.reports.filters import ReportFilters
from dashboards.charts import axes, drawing, wording
from dashboards.charts.plot import Number, Plot, Trace, figure, token
from dashboards.numbers import shown


def daily_plot(
    plot_id: str,
    name: str,
    filters: ReportFilters,
    days: Sequence[date],
    values: Sequence[Measure],
    previous: Sequence[Measure],
    subject: str,
) -> Plot:
    """The values of these days, and those before aligned with them. `subject` says what they are of."""
    heights, before = [shown(value) for value in values], [shown(value) for value in previous]
    words = wording.day_words(values, days, filters.today)
    traces = [
        *drawing.areas(days, heights, "band-2"),
        drawing.finished_line(days, heights, "series-1", 2, filters.today),
        *drawing.earlier_lines(filters.shift_label.capitalize(), days, previous, filters.shift),
        drawing.hover_text(name, axes.iso(days), words, "series-1"),
    ]
    if days and filters.includes_today:
        traces.append(_open_end(days[-1:], heights[-1:]))
    layout = {
        "shapes": drawing.unfinished_line(days, heights, "series-1", 2, filters.today),
        "annotations": wording.today_note(days, filters.today),
        "margin": {"r": 24, "l": 44, "t": 10, "b": 32},
        "yaxis": {"range": [0, axes.top_of(heights, before)]},
        "xaxis": axes.day_axis(days),
    }
    alt = f"Line plot of {subject}. The table below has every value."
    return Plot(plot_id, figure(traces, layout), alt)


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
