"""Active users: deployment types stacked. What is hidden never looks like a fall."""

from collections.abc import Sequence
from datetime import date

from analytics.reports.active_users import ActiveDay, ActiveUsersReport
from analytics.reports.filters import DEPLOYMENTS
from dashboards import figures
from dashboards.figures import Number, Plot, Trace, token
from dashboards.numbers import shown

# what a layer is called, where its numbers are, its colour, the colour of its label
LAYERS = (
    ("Cloud", "cloud", "series-1", "series-1-ink"),
    ("Self-hosted", "self_hosted", "series-2", "series-2-ink"),
    ("Not reported", "unknown", "series-other", "ink-2"),
)


def active_users_plot(report: ActiveUsersReport) -> Plot:
    """Deployment types stacked, the total above them, the previous total dotted.

    On a day of which a part is hidden there is no stack, because the others would seem to have
    fallen: a grey area shows the total alone.
    """
    filters, days = report.filters, [day.day for day in report.days]
    layers = _layers(report)
    total = [shown(day.total) for day in report.days]
    earlier = [shown(day.total) for day in report.previous]
    is_whole = [all(values[i] is not None for _, values, _, _ in layers) for i in range(len(days))]
    traces: list[Trace] = []
    lines: list[Trace] = []
    shapes = figures.veil(days, filters.today)
    labels: list[tuple[str, float, str]] = []
    top: list[Number] = [0 if whole else None for whole in is_whole]
    for name, values, colour, ink in layers:
        bottom = figures.last_complete(days, top, filters.today)
        top = figures.added(top, values)
        traces += _stacked_runs(name, days, values, colour, is_whole, filters.today)
        lines.append(figures.finished_line(days, top, colour, 1.5, filters.today))
        shapes += figures.unfinished_line(days, top, colour, 1.5, filters.today)
        labels.append((name, (bottom + figures.last_complete(days, top, filters.today)) / 2, ink))
    if not any(is_whole):
        labels = [("All", figures.last_complete(days, total, filters.today) / 2, "ink")]
    lines += _total_alone(days, total, is_whole)
    if any(earlier):  # nothing at all: there was no earlier period yet
        name = f"All, {filters.shift_label}"
        lines.append(figures.earlier_line(name, days, earlier, filters.shift))
    if len(layers) > 1:
        lines.append(_all_by_mouse(days, total, is_whole, filters.today))
    span = figures.top_of(top, total, earlier)
    layout = {
        "shapes": shapes,
        "annotations": figures.stacked_labels(labels, span=span) + figures.today_note(days, filters.today),
        "yaxis": {"range": [0, span]},
        "xaxis": figures.day_axis(days),
        "meta": {"narrowMargin": {"r": 14}},
    }
    key = [] if all(is_whole) else ["split hidden, a group is too small"]
    return Plot("active-users", figures.figure(traces + lines, layout), _active_finding(report), key)


def _stacked_runs(
    name: str,
    days: Sequence[date],
    values: Sequence[Number],
    colour: str,
    is_whole: Sequence[bool],
    today: date,
) -> list[Trace]:
    """One area for each run of whole days: plotly draws a gap in a stack as zero."""
    fill = token(f"{colour}-fill")
    return [
        figures.hoverable(
            name, days[run], values[run], colour, today, stackgroup=f"from {run.start}", fillcolor=fill
        )
        for run in figures.runs(is_whole)
    ]


def _total_alone(days: Sequence[date], total: Sequence[Number], is_whole: Sequence[bool]) -> list[Trace]:
    """Grey areas, each from the last whole day before to the first after (plotly fills across gaps)."""
    traces: list[Trace] = []
    for run in figures.runs([not whole for whole in is_whole]):
        reach = slice(max(0, run.start - 1), run.stop + 1)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": figures.iso(days[reach]),
                "y": list(total[reach]),
                "fill": "tozeroy",
                "fillcolor": token("series-other-soft"),
                "line": {"width": 1.5, "color": token("series-other")},
                "hoverinfo": "skip",
            }
        )
    return traces


def _all_by_mouse(
    days: Sequence[date], total: Sequence[Number], is_whole: Sequence[bool], today: date
) -> Trace:
    open_words = figures.so_far(days, today)
    words = [
        word if whole else f"{word}, split hidden" for word, whole in zip(open_words, is_whole, strict=True)
    ]
    return figures.hoverable("All", days, total, "ink", today, customdata=words)


def _layers(report: ActiveUsersReport) -> list[tuple[str, list[Number], str, str]]:
    """The deployment types that have users; with a filter, that one alone."""
    chosen = report.filters.deployment
    if chosen:
        name, _, colour, ink = LAYERS[list(DEPLOYMENTS).index(chosen)]
        return [(name, [shown(day.total) for day in report.days], colour, ink)]
    layers = []
    for name, field, colour, ink in LAYERS:
        if any(getattr(day, field) != 0 for day in report.days):
            layers.append((name, [shown(getattr(day, field)) for day in report.days], colour, ink))
    return layers


def _active_finding(report: ActiveUsersReport) -> str:
    complete = [day for day in report.days if day.complete]
    if not complete:
        return "Stacked area plot of active users today, so far. The table below has every value."
    last: ActiveDay = complete[-1]
    return (
        f"Stacked area plot. {last.day:%A} {figures.day_name(last.day)}: {last.total} users, of them "
        f"{last.cloud} cloud and {last.self_hosted} self-hosted. The table below has every value."
    )
