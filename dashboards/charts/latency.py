"""Response times: percentiles per day on a logarithmic axis."""

import math
from collections.abc import Sequence

from analytics.reports.endpoints import EndpointDay
from analytics.reports.filters import ReportFilters
from dashboards import figures
from dashboards.figures import Number, Plot, Trace, token
from dashboards.numbers import round_milliseconds

LATENCY_TICKS = [base * 10**power for power in range(-1, 6) for base in (1, 2, 5)]  # ms


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
        lines.append(figures.earlier_line(name, dates, earlier, filters.shift, hover))
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
