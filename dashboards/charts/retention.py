"""Retention: by week of first activity, and by day after it."""

from datetime import date, timedelta

from analytics.reports.retention import RetentionReport
from dashboards.charts import axes, drawing, wording
from dashboards.charts.plot import Number, Plot, figure, token


def retention_weeks_plot(report: RetentionReport) -> Plot:
    """The headline's rate by week of first activity; a hollow dot marks a week whose 7 days are not over."""
    weeks = [row for row in report.cohorts if row.rate is not None]
    starts = [row.week_start for row in weeks]
    rates = [_in_percent(row.rate) for row in weeks]
    open_from = next((row.week_start for row in weeks if row.open), date.max)
    traces = [
        drawing.finished_line(starts, rates, "series-1", 2, open_from),
        {
            "type": "scatter",
            "mode": "markers",
            "name": "Came back",
            "x": axes.iso(starts),
            "y": rates,
            "marker": {
                "size": [8 if row.open else 6 for row in weeks],
                "opacity": 1,
                "color": [token("surface" if row.open else "series-1") for row in weeks],
                "line": {"width": [2 if row.open else 0 for row in weeks], "color": token("series-1")},
            },
            "cliponaxis": False,
            "customdata": [" so far" if row.open else "" for row in weeks],
            "hovertemplate": "%{y:.1f}%%{customdata}",
        },
    ]
    shapes = []
    for i in range(1, len(weeks)):
        if weeks[i].open:
            piece = slice(i - 1, i + 1)
            shapes += drawing.unfinished_line(starts[piece], rates[piece], "series-1", 2, starts[i])
    axis = {"hoverformat": "First seen in the week of %-d %b %Y"}
    if starts:
        margin = timedelta(days=2)
        axis["range"] = axes.iso([starts[0] - margin, starts[-1] + margin])  # type: ignore[assignment]
    layout = {
        "shapes": shapes,
        "margin": {"r": 28, "l": 44, "t": 12, "b": 32},
        "yaxis": {"range": [0, min(100.0, axes.top_of(rates) * 1.1)], "ticksuffix": "%", "nticks": 5},
        "xaxis": axis,
    }
    alt = "Line plot of 7-day retention by week of first activity. The table below has the weeks."
    return Plot("retention-weeks", figure(traces, layout), alt)


def retention_curve_plot(report: RetentionReport) -> Plot:
    """The share of people active on day N, and on day N or later."""
    numbers = [day.n for day in report.curve]
    traces = []
    ends: list[tuple[str, float, str]] = []
    shares = [[day.on_day_rate for day in report.curve], [day.on_or_after_rate for day in report.curve]]
    heights = [[_in_percent(share) for share in curve] for curve in shares]
    names = (("On day N", "series-1"), ("On day N or later", "series-3"))
    for (name, colour), measured, values in zip(names, shares, heights, strict=True):
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if None in values else "lines",
                "marker": {"size": 5, "color": token(colour)},
                "x": numbers,
                "y": values,
                "line": {"width": 2, "color": token(colour)},
                "hoverinfo": "skip",
            }
        )
        words = [wording.in_words(share, "{:.1%}".format) for share in measured]
        traces.append(drawing.hover_text(name, numbers, words, colour))
        last = next((value for value in reversed(values) if value is not None), None)
        if last is not None:
            ends.append((name, float(last), "ink"))
    span = min(100.0, axes.top_of(*heights))
    layout = {
        "annotations": wording.stacked_labels(sorted(ends, key=lambda end: end[1]), span=span, height_px=200),
        "margin": {"r": 128, "l": 44, "t": 12, "b": 32},
        "yaxis": {"range": [0, span], "ticksuffix": "%", "nticks": 5},
        "xaxis": {
            "range": [numbers[0], numbers[-1]] if numbers else [1, 28],
            "tickvals": [1, 7, 14, 21, 28],
            "tickformat": "d",
            "hoverformat": "d",
            "title": {"text": ""},
            "unifiedhovertitle": {"text": "Day %{x}"},
        },
        "meta": {"narrowMargin": {"r": 14}},
    }
    alt = "Line plot of the share of people active on day N after their first, and on that day or later."
    return Plot("retention-curve", figure(traces, layout), alt)


def _in_percent(share: object) -> Number:
    return round(share * 100, 1) if isinstance(share, int | float) else None
