"""Features: people per day, for the most used ones together and for a single one."""

from collections.abc import Sequence
from operator import attrgetter

from analytics.reports.features import FeatureReport, FeatureRow, FeaturesReport
from dashboards.charts import axes, drawing, wording
from dashboards.charts.daily import daily_plot
from dashboards.charts.plot import Plot, Trace, figure
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
    days, alt = [day.day for day in report.days], f"the people who used {report.feature} each day"
    before = [day.users for day in report.previous]
    return daily_plot(
        "feature", "Users", report.filters, days, [day.users for day in report.days], before, alt
    )
