"""Figures: what is not over is dashed, what is hidden is absent, plotly knows every property."""

import json
from datetime import date, timedelta
from typing import Any

import plotly.graph_objects as go  # type: ignore[import-untyped]
import pytest

from analytics.reports.active_users import ActiveDay, ActiveUsersReport
from analytics.reports.cells import Compared, Count, Withheld
from analytics.reports.endpoints import EndpointDay
from analytics.reports.filters import ReportFilters
from dashboards import charts
from dashboards.charts.plot import Plot

TODAY = date(2026, 11, 17)


def filters(**query: str) -> ReportFilters:
    return ReportFilters.from_query(query, today=TODAY, last_sealed=None)


def days_of(asked: ReportFilters) -> list[date]:
    return [asked.first + timedelta(days=i) for i in range(asked.length)]


def active_report(asked: ReportFilters, cloud: Count = 10) -> ActiveUsersReport:
    days = [ActiveDay(day, 25, cloud, 15, 0, day < TODAY) for day in days_of(asked)]
    none = Compared(None)
    return ActiveUsersReport(
        filters=asked,
        series={"dau": days, "wau": days, "mau": days},
        previous_series={"dau": days, "wau": days, "mau": days},
        yesterday=none,
        wau=none,
        mau=none,
        average=none,
        highest=None,
        stickiness=none,
        period_users=none,
        users_so_far=25,
    )


def drawn(plot: Plot) -> list[dict[str, Any]]:
    """The traces that can be seen, which have no hover text."""
    return [one for one in plot.figure["data"] if one.get("hoverinfo") == "skip"]


def trace(plot: Plot, name: str) -> dict[str, Any]:
    return next(one for one in plot.figure["data"] if one.get("name") == name)


def test_every_day_answers_the_mouse_and_only_finished_days_have_a_line() -> None:
    plot = charts.active_users_plot(active_report(filters(range="7d")))

    cloud = trace(plot, "Cloud")
    colours = {"var(--series-1)", "var(--series-2)"}
    lines = [one for one in drawn(plot) if one["line"].get("color") in colours]
    assert len(cloud["x"]) == 7
    assert cloud["customdata"][-2:] == ["10", "10 so far"]
    assert {line["x"][-1] for line in lines} == {"2026-11-16"}
    assert [shape["type"] for shape in plot.figure["layout"]["shapes"]].count("line") == len(lines)


def test_a_range_that_is_over_has_nothing_dashed() -> None:
    asked = filters(range="custom", **{"from": "2026-10-01", "to": "2026-10-20"})

    plot = charts.active_users_plot(active_report(asked))

    assert "shapes" not in plot.figure["layout"]


def test_a_hidden_layer_draws_nothing() -> None:
    plot = charts.active_users_plot(active_report(filters(range="7d"), cloud=Withheld.FEW))

    assert set(trace(plot, "Cloud")["customdata"]) == {"<5", "<5 so far"}
    assert 10 not in [value for one in drawn(plot) for value in one["y"]]
    assert next(label["text"] for label in plot.figure["layout"]["annotations"]) == "All"


def test_the_earlier_period_says_its_own_dates() -> None:
    plot = charts.active_users_plot(active_report(filters(range="30d")))

    assert trace(plot, "All, 5 weeks earlier")["customdata"][0] == "25 on 14 Sep"


def test_one_deployment_alone_keeps_its_colour() -> None:
    plot = charts.active_users_plot(active_report(filters(deployment="self-hosted")))

    assert [one["name"] for one in plot.figure["data"] if "name" in one][-1] == "Self-hosted"
    assert "var(--series-2)" in {one["line"].get("color") for one in drawn(plot)}
    assert "var(--series-1)" not in {one["line"].get("color") for one in drawn(plot)}


@pytest.mark.parametrize("range_name", ["7d", "30d", "90d", "12m"])
def test_figures_are_plain_lists_that_plotly_knows(range_name: str) -> None:
    figure = charts.active_users_plot(active_report(filters(range=range_name))).figure

    again = json.loads(json.dumps(figure))

    assert again == figure
    go.Figure(again)


def test_a_day_without_requests_leaves_a_gap_in_the_latency() -> None:
    asked = filters(range="7d")
    days = [EndpointDay(day, 5, 0, 10.0, 20.0, 30.0, 5, day < TODAY) for day in days_of(asked)]
    days[3] = days[3]._replace(p50_ms=None, p95_ms=Withheld.FEW, p99_ms=None)

    plot = charts.latency_plot(asked, days, [], "all endpoints")

    lines = [one for one in drawn(plot) if one["line"]["width"]]
    assert [line["y"][3] for line in lines] == [None, None, None]
    assert [trace(plot, name)["customdata"][3] for name in ("p50", "p95")] == ["no data", "<5"]
    assert plot.figure["layout"]["yaxis"]["ticktext"] == ["10 ms", "20 ms"]


def test_an_endpoint_that_answers_at_once_fits_a_logarithmic_axis() -> None:
    asked = filters(range="7d")
    days = [EndpointDay(day, 5, 0, 0.0, 0.0, 0.0, 5, day < TODAY) for day in days_of(asked)]

    plot = charts.latency_plot(asked, days, [], "all")

    assert {value for one in drawn(plot) for value in one["y"]} == {0.1}
    assert trace(plot, "p50")["customdata"][0] == "0.0 ms"


def test_a_day_whose_split_is_hidden_shows_its_total_and_no_fall() -> None:
    report = active_report(filters(range="7d"))
    hidden = [
        day._replace(cloud=Withheld.HIDDEN, unknown=Withheld.FEW) if i == 3 else day
        for i, day in enumerate(report.days)
    ]
    report.series["dau"][:] = hidden

    plot = charts.active_users_plot(report)

    grey = [one for one in drawn(plot) if one.get("fillcolor") == "var(--series-other-soft)"]
    assert [one["x"] for one in grey] == [["2026-11-13", "2026-11-14", "2026-11-15"]]
    assert [one["y"] for one in grey] == [[25, 25, 25]]
    assert all(0 not in one["y"] for one in drawn(plot) if one["line"]["width"])
    assert trace(plot, "Cloud")["customdata"][3] == "hidden"
