"""Response times: percentiles per day on a logarithmic axis."""

import math
from collections.abc import Sequence
from datetime import date
from typing import Any

from analytics.reports.cells import Measure
from analytics.reports.endpoints import EndpointDay
from analytics.reports.filters import ReportFilters
from analytics.reports.timings import TimingDay
from dashboards.charts import axes, drawing, wording
from dashboards.charts.plot import Number, Plot, Trace, figure
from dashboards.numbers import milliseconds, round_milliseconds, shown

MeasuredDay = EndpointDay | TimingDay
LATENCY_TICKS = [base * 10**power for power in range(-1, 6) for base in (1, 2, 5)]  # ms


def latency_plot(
    filters: ReportFilters, days: Sequence[MeasuredDay], previous: Sequence[MeasuredDay], subject: str
) -> Plot:
    """p50, p95 and p99 of each day on a logarithmic axis, the previous p95 dotted."""
    dates = [day.day for day in days]
    measured: list[tuple[str, list[Measure], float]] = [
        ("p50", [day.p50_ms for day in days], 2),
        ("p95", [day.p95_ms for day in days], 1.5),
        ("p99", [day.p99_ms for day in days], 1),
    ]
    before = [day.p95_ms for day in previous]
    axis = _latency_axis([*(value for _, values, _ in measured for value in values), *before])
    floor = 10 ** axis["range"][0]
    lines: list[Trace] = []
    hovers: list[Trace] = []
    shapes = drawing.veil(dates, filters.today)
    annotations = wording.today_note(dates, filters.today)
    for name, values, width in measured:
        heights = [_height(value) for value in values]
        lines.append(drawing.finished_line(dates, heights, "series-1", width, filters.today))
        shapes += drawing.unfinished_line(dates, heights, "series-1", width, filters.today)
        words = wording.day_words(values, dates, filters.today, milliseconds)
        hovers.append(drawing.hover_text(name, axes.iso(dates), words, "series-1", at=floor))
        last = next((height for height in reversed(heights) if height), None)
        if last:
            annotations.append(wording.edge_label(name, math.log10(last), "ink", name="keep"))
    lines += drawing.earlier_lines(
        f"p95, {filters.shift_label}", dates, before, filters.shift, write=milliseconds, at=floor
    )
    layout = {
        "shapes": shapes,
        "annotations": annotations,
        "margin": {"r": 48, "l": 56, "t": 10, "b": 32},
        "xaxis": axes.day_axis(dates),
        "yaxis": axis,
        "meta": {"narrowMargin": {"r": 40, "l": 56}},
    }
    traces = [*_bands(dates, *(values for _, values, _ in measured)), *lines, *hovers]
    alt = f"Band plot of p50, p95 and p99 of {subject} per day. The tables below have the values."
    return Plot("latency", figure(traces, layout), alt)


def _bands(
    days: Sequence[date], p50: Sequence[Measure], p95: Sequence[Measure], p99: Sequence[Measure]
) -> list[Trace]:
    """The area from p50 to p95 and the lighter one to p99, on days that show all three."""
    heights = list(zip(map(_height, p50), map(_height, p95), map(_height, p99), strict=True))
    whole = [None not in three for three in heights]
    edges = [
        [three[i] if is_whole else None for three, is_whole in zip(heights, whole, strict=True)]
        for i in range(3)
    ]
    low = drawing.areas(days, edges[0], "band-1", fill="none")
    middle = drawing.areas(days, edges[1], "band-1", fill="tonexty")
    high = drawing.areas(days, edges[2], "band-2", fill="tonexty")
    return [trace for run in zip(low, middle, high, strict=True) for trace in run]


def _height(value: Measure) -> Number:
    """At least 0.1 ms: a logarithmic axis cannot show zero."""
    number = shown(value)
    return None if number is None else max(0.1, round(number, 1))


def _latency_axis(measures: Sequence[Measure]) -> dict[str, Any]:
    values = [height for measure in measures if (height := _height(measure))]
    low, high = (min(values) * 0.62, max(values) * 1.35) if values else (10.0, 1000.0)
    ticks = [tick for tick in LATENCY_TICKS if low <= tick <= high]
    return {
        "type": "log",
        "range": [math.log10(low), math.log10(high)],
        "tickvals": ticks,
        "ticktext": [round_milliseconds(tick) for tick in ticks],
    }
