"""Active users, stacked by deployment type. A hidden part never looks like a fall."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from analytics.reports.active_users import ActiveDay, ActiveUsersReport
from analytics.reports.cells import Measure
from analytics.reports.parameters import DEPLOYMENTS
from dashboards.charts import axes, drawing, wording
from dashboards.charts.plot import Number, Plot, Trace, figure, token
from dashboards.numbers import shown

# name, field of `ActiveDay`, colour, colour of the label
LAYERS = (
    ("Cloud", "cloud", "series-1", "series-1-ink"),
    ("Self-hosted", "self_hosted", "series-2", "series-2-ink"),
    ("Not reported", "unknown", "series-other", "ink-2"),
)


class Layer(NamedTuple):
    """One deployment type: its users each day, its colour, the colour of its label."""

    name: str
    values: Sequence[Measure]
    colour: str
    ink: str


def active_users_plot(report: ActiveUsersReport) -> Plot:
    """Deployment types stacked, the total above them, the previous total dotted.

    A day with a hidden part has no stack, because its other parts would seem to have fallen: a grey area
    shows the total alone.
    """
    filters, days = report.filters, [day.day for day in report.days]
    layers = _layers(report)
    total = [shown(day.total) for day in report.days]
    is_whole = [all(shown(layer.values[i]) is not None for layer in layers) for i in range(len(days))]
    top: list[Number] = [0 if whole else None for whole in is_whole]
    drawn: list[Trace] = []
    hovers: list[Trace] = []
    shapes = drawing.veil(days, filters.today)
    labels: list[tuple[str, float, str]] = []
    for layer in layers:
        bottom, top = top, drawing.added(top, [shown(value) for value in layer.values])
        drawn += _layer_areas(days, bottom, top, f"{layer.colour}-fill")
        drawn.append(drawing.finished_line(days, top, layer.colour, 1.5, filters.today))
        shapes += drawing.unfinished_line(days, top, layer.colour, 1.5, filters.today)
        words = wording.day_words(layer.values, days, filters.today)
        hovers.append(drawing.hover_text(layer.name, axes.iso(days), words, f"{layer.colour}-fill"))
        edges = [wording.last_complete(days, edge, filters.today) for edge in (bottom, top)]
        labels.append((layer.name, sum(edges) / 2, layer.ink))
    if not any(is_whole):
        labels = [("All", wording.last_complete(days, total, filters.today) / 2, "ink")]
    drawn += _total_alone(days, total, is_whole)
    before = [day.total for day in report.previous]
    drawn += drawing.earlier_lines(f"All, {filters.shift_label}", days, before, filters.shift)
    if len(layers) > 1:
        words = wording.day_words([day.total for day in report.days], days, filters.today)
        hovers.append(drawing.hover_text("All", axes.iso(days), words, "surface"))
    span = axes.top_of(top, total, [shown(value) for value in before])
    layout = {
        "shapes": shapes,
        "annotations": wording.stacked_labels(labels, span=span) + wording.today_note(days, filters.today),
        "yaxis": {"range": [0, span]},
        "xaxis": axes.day_axis(days),
        "meta": {"narrowMargin": {"r": 14}},
    }
    key = [] if all(is_whole) else ["split hidden, a group is too small"]
    return Plot("active-users", figure(drawn + hovers, layout), _alt_text(report), key)


def _layer_areas(
    days: Sequence[date], bottom: Sequence[Number], top: Sequence[Number], colour: str
) -> list[Trace]:
    """The areas between two edges of the stack, one for each run of whole days."""
    traces: list[Trace] = []
    lower = drawing.areas(days, bottom, colour, fill="none")
    for below, above in zip(lower, drawing.areas(days, top, colour, fill="tonexty"), strict=True):
        traces += [below, above]
    return traces


def _total_alone(days: Sequence[date], total: Sequence[Number], is_whole: Sequence[bool]) -> list[Trace]:
    """Grey areas over the days without a stack, each from the last day with one to the next."""
    traces: list[Trace] = []
    line = {"width": 1.5, "color": token("series-other")}
    for run in drawing.runs([not whole for whole in is_whole]):
        reach = slice(max(0, run.start - 1), run.stop + 1)
        traces += drawing.areas(days[reach], total[reach], "series-other-soft", line=line)
    return traces


def _layers(report: ActiveUsersReport) -> list[Layer]:
    """The deployment types that have users; with a filter, its deployment type alone."""
    chosen = report.filters.deployment
    if chosen:
        name, _, colour, ink = LAYERS[list(DEPLOYMENTS).index(chosen)]
        return [Layer(name, [day.total for day in report.days], colour, ink)]
    layers = [
        Layer(name, [getattr(day, field) for day in report.days], colour, ink)
        for name, field, colour, ink in LAYERS
    ]
    return [layer for layer in layers if any(layer.values)]


def _alt_text(report: ActiveUsersReport) -> str:
    complete = [day for day in report.days if day.complete]
    if not complete:
        return "Stacked area plot of active users today, so far. The table below has every value."
    last: ActiveDay = complete[-1]
    return (
        f"Stacked area plot. {last.day:%A} {wording.day_name(last.day)}: {last.total} users, of them "
        f"{last.cloud} cloud and {last.self_hosted} self-hosted. The table below has every value."
    )
