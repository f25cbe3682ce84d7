"""Reports turned into figures, one function each. They take reports that have been through suppression."""

import math
from collections.abc import Sequence
from datetime import date, timedelta

from analytics.reports.active_users import ActiveDay, ActiveUsersReport
from analytics.reports.endpoints import EndpointDay
from analytics.reports.features import FeatureReport, FeatureRow, FeaturesReport
from analytics.reports.filters import DEPLOYMENTS, ReportFilters
from analytics.reports.installations import InstallationDay, InstallationsReport
from analytics.reports.retention import RetentionReport
from dashboards import figures
from dashboards.figures import Number, Plot, Trace, token
from dashboards.numbers import round_milliseconds, shown

# what a layer is called, where its numbers are, its colour, the colour of its label
LAYERS = (
    ("Cloud", "cloud", "series-1", "series-1-ink"),
    ("Self-hosted", "self_hosted", "series-2", "series-2-ink"),
    ("Not reported", "unknown", "series-other", "ink-2"),
)
LATENCY_TICKS = [base * 10**power for power in range(-1, 6) for base in (1, 2, 5)]  # ms


def _earlier_days(filters: ReportFilters, days: Sequence[date]) -> list[date]:
    return [day - filters.shift for day in days]


# --- Active users -------------------------------------------------------------------------------


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
        lines.append(figures.earlier_line(name, days, earlier, _earlier_days(filters, days)))
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


# --- Features -----------------------------------------------------------------------------------


LINE_COLOURS = [f"series-{i}" for i in range(1, 6)]


def features_plot(report: FeaturesReport) -> Plot:
    """People per day of the five features with most users."""
    filters, days = report.filters, list(report.days)
    known = [row for row in report.rows if shown(row.users) is not None]
    rows = sorted(known, key=lambda row: -(shown(row.users) or 0))[: len(LINE_COLOURS)]
    traces: list[Trace] = []
    lines: list[Trace] = []
    shapes = figures.veil(days, filters.today)
    for colour, row in zip(LINE_COLOURS, rows, strict=False):
        users = [shown(value) for value in row.trend]
        traces.append(figures.hoverable(row.feature, days, users, colour, filters.today))
        lines.append(figures.finished_line(days, users, colour, 1.75, filters.today))
        shapes += figures.unfinished_line(days, users, colour, 1.75, filters.today)
    layout = {
        "shapes": shapes,
        "annotations": figures.today_note(days, filters.today),
        "margin": {"r": 24, "l": 48, "t": 10, "b": 32},
        "yaxis": {"range": [0, _highest_trend(rows)]},
        "xaxis": figures.day_axis(days),
    }
    names = [row.feature for row in rows]
    finding = f"Line plot of people per day for {', '.join(names)}. The table below has the period."
    return Plot("features", figures.figure(traces + lines, layout), finding, names)


def _highest_trend(rows: Sequence[FeatureRow]) -> float:
    return figures.top_of(*([shown(value) for value in row.trend] for row in rows))


def feature_plot(report: FeatureReport) -> Plot:
    """People using one feature each day."""
    filters, days = report.filters, [day.day for day in report.days]
    users = [shown(day.users) for day in report.days]
    earlier = [shown(day.users) for day in report.previous]
    traces = [
        figures.hoverable(
            "Users", days, users, "series-1", filters.today, fill="tozeroy", fillcolor=token("band-2")
        ),
        figures.finished_line(days, users, "series-1", 2, filters.today),
    ]
    if any(earlier):  # nothing at all: there was no earlier period yet
        name = filters.shift_label[:1].upper() + filters.shift_label[1:]
        traces.append(figures.earlier_line(name, days, earlier, _earlier_days(filters, days)))
    if days and filters.includes_today:
        traces.append(_open_end(days[-1:], users[-1:]))
    layout = {
        "shapes": figures.unfinished_line(days, users, "series-1", 2, filters.today),
        "annotations": figures.today_note(days, filters.today),
        "margin": {"r": 24, "l": 44, "t": 10, "b": 32},
        "yaxis": {"range": [0, figures.top_of(users, earlier)]},
        "xaxis": figures.day_axis(days),
    }
    finding = f"Line plot of the people who used {report.feature} each day. The table below has every value."
    return Plot("feature", figures.figure(traces, layout), finding)


def _open_end(days: Sequence[date], values: Sequence[Number]) -> Trace:
    """A hollow dot: this value is not final."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": figures.iso(days),
        "y": list(values),
        "marker": {
            "size": 8,
            "color": token("surface"),
            "line": {"width": 2, "color": token("series-1")},
        },
        "cliponaxis": False,
        "hoverinfo": "skip",
    }


# --- Endpoints ----------------------------------------------------------------------------------


def latency_plot(
    filters: ReportFilters, days: Sequence[EndpointDay], previous: Sequence[EndpointDay], subject: str
) -> Plot:
    """p50, p95 and p99 of each day on a logarithmic axis, the previous p95 dotted."""
    dates = [day.day for day in days]
    series: list[tuple[str, list[Number], float, str]] = [
        ("p50", [_rounded(day.p50_ms) for day in days], 2, ""),
        ("p95", [_rounded(day.p95_ms) for day in days], 1.5, "band-1"),
        ("p99", [_rounded(day.p99_ms) for day in days], 1, "band-2"),
    ]
    earlier = [_rounded(day.p95_ms) for day in previous]
    traces: list[Trace] = []
    lines: list[Trace] = []
    shapes = figures.veil(dates, filters.today)
    annotations = figures.today_note(dates, filters.today)
    hover = "%{y:,.0f} ms%{customdata}"
    for name, values, width, band in series:
        fill = {"fill": "tonexty", "fillcolor": token(band)} if band else {}
        traces.append(
            figures.hoverable(name, dates, values, "series-1", filters.today, hovertemplate=hover, **fill)
        )
        lines.append(figures.finished_line(dates, values, "series-1", width, filters.today))
        shapes += figures.unfinished_line(dates, values, "series-1", width, filters.today)
        last = next((value for value in reversed(values) if value), None)
        if last:
            annotations.append(figures.edge_label(name, math.log10(last), "ink", name="keep"))
    if any(earlier):  # nothing at all: there was no earlier period yet
        name = f"p95, {filters.shift_label}"
        hover = "%{y:,.0f} ms on %{customdata}"
        lines.append(figures.earlier_line(name, dates, earlier, _earlier_days(filters, dates), hover))
    layout = {
        "shapes": shapes,
        "annotations": annotations,
        "margin": {"r": 48, "l": 56, "t": 10, "b": 32},
        "xaxis": figures.day_axis(dates),
        "yaxis": _latency_axis([*(values for _, values, _, _ in series), earlier]),
        "meta": {"narrowMargin": {"r": 40, "l": 56}},
    }
    finding = f"Band plot of p50, p95 and p99 of {subject} per day. The tables below have the values."
    return Plot("latency", figures.figure(traces + lines, layout), finding)


def _rounded(value: object) -> Number:
    """Log axes cannot show zero; 0.1 ms is the least."""
    return max(0.1, round(value, 1)) if isinstance(value, int | float) else None


def _latency_axis(series: Sequence[Sequence[Number]]) -> dict[str, object]:
    values = [value for one in series for value in one if value]
    low, high = (min(values) * 0.62, max(values) * 1.35) if values else (10.0, 1000.0)
    ticks = [tick for tick in LATENCY_TICKS if low <= tick <= high]
    words = [round_milliseconds(tick) for tick in ticks]
    return {
        "type": "log",
        "range": [math.log10(low), math.log10(high)],
        "tickvals": ticks,
        "ticktext": words,
    }


# --- Retention ----------------------------------------------------------------------------------


def retention_weeks_plot(report: RetentionReport) -> Plot:
    """The headline's definition, by week of first activity; weeks with immature people hollow."""
    weeks = [row for row in report.cohorts if row.rate is not None]
    starts = [row.week_start for row in weeks]
    rates = [_in_percent(row.rate) for row in weeks]
    open_from = next((row.week_start for row in weeks if row.open), date.max)
    traces = [
        figures.finished_line(starts, rates, "series-1", 2, open_from),
        {
            "type": "scatter",
            "mode": "markers",
            "name": "Came back",
            "x": figures.iso(starts),
            "y": rates,
            "marker": {
                "size": [8 if row.open else 6 for row in weeks],
                "opacity": 1,
                "color": [token("surface" if row.open else "series-1") for row in weeks],
                "line": {"width": [2 if row.open else 0 for row in weeks], "color": token("series-1")},
            },
            "cliponaxis": False,
            "customdata": figures.so_far(starts, open_from),
            "hovertemplate": "%{y:.1f}%%{customdata}",
        },
    ]
    shapes = []
    for i in range(1, len(weeks)):
        if weeks[i].open:
            piece = slice(i - 1, i + 1)
            shapes += figures.unfinished_line(starts[piece], rates[piece], "series-1", 2, starts[i])
    axis = {"hoverformat": "First seen in the week of %-d %b %Y"}
    if starts:
        margin = timedelta(days=2)
        axis["range"] = figures.iso([starts[0] - margin, starts[-1] + margin])  # type: ignore[assignment]
    layout = {
        "shapes": shapes,
        "margin": {"r": 28, "l": 44, "t": 12, "b": 32},
        "yaxis": {"range": [0, min(100.0, figures.top_of(rates) * 1.1)], "ticksuffix": "%", "nticks": 5},
        "xaxis": axis,
    }
    finding = "Line plot of 7-day retention by week of first activity. The table below has the weeks."
    return Plot("retention-weeks", figures.figure(traces, layout), finding)


def retention_curve_plot(report: RetentionReport) -> Plot:
    """On day N, and on day N or later."""
    numbers = [day.n for day in report.curve]
    traces = []
    ends: list[tuple[str, float, str]] = []
    shares = [
        [_in_percent(day.on_day_rate) for day in report.curve],
        [_in_percent(day.on_or_after_rate) for day in report.curve],
    ]
    names = (("On day N", "series-1"), ("On day N or later", "series-3"))
    for (name, colour), values in zip(names, shares, strict=True):
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if None in values else "lines",
                "marker": {"size": 5, "color": token(colour)},
                "name": name,
                "x": numbers,
                "y": values,
                "line": {"width": 2, "color": token(colour)},
                "hovertemplate": "%{y:.1f}%",
            }
        )
        last = next((value for value in reversed(values) if value is not None), None)
        if last is not None:
            ends.append((name, float(last), "ink"))
    span = min(100.0, figures.top_of(*shares))
    layout = {
        "annotations": figures.stacked_labels(sorted(ends, key=lambda end: end[1]), span=span, height_px=200),
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
    finding = "Line plot of the share of people active on day N after their first, and on that day or later."
    return Plot("retention-curve", figures.figure(traces, layout), finding)


def _in_percent(share: object) -> Number:
    return round(share * 100, 1) if isinstance(share, int | float) else None


# --- Installations ------------------------------------------------------------------------------


def versions_plot(report: InstallationsReport) -> Plot:
    """Active installations by version, oldest below, newest on top in the strongest colour."""
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
                "name": name,
                "x": figures.iso(dates),
                "y": values,
                "stackgroup": "versions",
                "line": {"width": 0.75, "color": token("surface")},
                "fillcolor": token(colour),
                "hovertemplate": "%{y:,}",
            }
        )
        below = top[-1] or 0
        top = figures.added(top, [value or 0 for value in values])
        labels.append((name, (below + (top[-1] or 0)) / 2, "ink"))
    span = figures.top_of(top)
    layout = {
        "annotations": figures.stacked_labels(labels, span=span),
        "margin": {"r": 104, "l": 48, "t": 10, "b": 32},
        "yaxis": {"range": [0, span]},
        "xaxis": figures.day_axis(dates) if dates else {},
        "meta": {"narrowMargin": {"r": 14}},
    }
    finding = "Stacked area plot of active installations by version. The table below has yesterday's values."
    return Plot("versions", figures.figure(traces, layout), finding)


def _rest(days: Sequence[InstallationDay]) -> list[Number]:
    """What the shown versions of a day leave of its total: the hidden ones together, as in the table."""
    rest: list[Number] = []
    for day in days:
        total, parts = shown(day.total), [shown(value) for value in day.versions]
        hidden = total is not None and None in parts
        rest.append((total or 0) - sum(part or 0 for part in parts) if hidden else None)
    return rest
