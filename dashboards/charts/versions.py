"""Installations by version, from the oldest to the newest."""

from collections.abc import Sequence

from analytics.reports.installations import InstallationDay, InstallationsReport
from dashboards.charts import axes, drawing, wording
from dashboards.charts.plot import Number, Plot, Trace, figure, token
from dashboards.numbers import shown


def versions_plot(report: InstallationsReport) -> Plot:
    """Active installations by version: the oldest below, the newest on top in the strongest colour."""
    days = [day for day in report.days if day.complete]
    dates = [day.day for day in days]
    first_colour = 6 - len(report.shown_versions)
    traces: list[Trace] = []
    labels: list[tuple[str, float, str]] = []
    top: list[Number] = [0] * len(days)
    layers = [
        (version, [shown(day.versions[i]) for day in days], f"ord-{first_colour + i}")
        for i, version in enumerate(report.shown_versions)
    ]
    layers.append(("Too few to show", _rest(days), "series-other-fill"))
    for name, values, colour in layers:
        if not any(values):
            continue
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": axes.iso(dates),
                "y": values,
                "stackgroup": "versions",
                "line": {"width": 0.75, "color": token("surface")},
                "fillcolor": token(colour),
                "hoverinfo": "skip",
            }
        )
        below = top[-1] or 0
        top = drawing.added(top, [value or 0 for value in values])
        labels.append((name, (below + (top[-1] or 0)) / 2, "ink"))
    for i, version in enumerate(report.shown_versions):
        words = [wording.in_words(day.versions[i]) for day in days]
        traces.append(drawing.hover_text(version, axes.iso(dates), words, f"ord-{first_colour + i}"))
    span = axes.top_of(top)
    layout = {
        "annotations": wording.stacked_labels(labels, span=span),
        "margin": {"r": 104, "l": 48, "t": 10, "b": 32},
        "yaxis": {"range": [0, span]},
        "xaxis": axes.day_axis(dates) if dates else {},
        "meta": {"narrowMargin": {"r": 14}},
    }
    alt = "Stacked area plot of active installations by version. The table below has yesterday's values."
    return Plot("versions", figure(traces, layout), alt)


def _rest(days: Sequence[InstallationDay]) -> list[Number]:
    """What the shown versions leave of each day's total: all hidden versions together."""
    rest: list[Number] = []
    for day in days:
        total, parts = shown(day.total), [shown(value) for value in day.versions]
        hidden = total is not None and None in parts
        rest.append((total or 0) - sum(part or 0 for part in parts) if hidden else None)
    return rest
