"""The figures of features, response times, retention and versions."""

from datetime import date, timedelta
from typing import Any

import pytest

from analytics.reports.cells import Compared, Withheld
from analytics.reports.endpoints import EndpointDay
from analytics.reports.features import FeatureDay, FeatureReport, FeatureRow, FeaturesReport
from analytics.reports.filters import ReportFilters
from analytics.reports.installations import InstallationDay, InstallationsReport
from analytics.reports.retention import CohortRow, CurveDay, Headline, RetentionReport
from dashboards import charts
from dashboards.charts.plot import Plot

TODAY = date(2026, 11, 17)
DAYS = [TODAY - timedelta(days=n) for n in (2, 1, 0)]


def filters(last_sealed: date | None = None, **query: str) -> ReportFilters:
    query = query or {"from": DAYS[0].isoformat()}
    return ReportFilters.from_query(query, today=TODAY, last_sealed=last_sealed)


def named(plot: Plot) -> dict[str, Any]:
    return {trace["name"]: trace for trace in plot.figure["data"] if "name" in trace}


def feature_row(name: str, users: Any, uses: Any = 1) -> FeatureRow:
    return FeatureRow(name, users, uses, 0.1, 0, 1, None, None, None, [users, users, users])


def test_the_five_features_with_most_users_are_drawn() -> None:
    rows = [feature_row(name, users) for name, users in zip("abcdefg", (1, 7, 3, 6, 5, 4, 2), strict=True)]
    rows.append(feature_row("few", Withheld.FEW))
    plot = charts.features_plot(FeaturesReport(filters=filters(), rows=rows, active_users=9, days=DAYS))
    assert plot.key == ["b", "d", "e", "f", "c"]
    assert [trace["line"]["color"] for trace in named(plot).values()] == [
        f"var(--series-{n})" for n in range(1, 6)
    ]
    assert named(plot)["b"]["customdata"] == ["7", "7", "7 so far"]
    assert plot.figure["layout"]["yaxis"]["range"] == [0, pytest.approx(7.7)]


def test_over_sealed_days_the_most_used_are_drawn() -> None:
    rows = [feature_row("a", Withheld.GONE, 5), feature_row("b", Withheld.GONE, 9)]
    sealed = filters(DAYS[0], **{"from": DAYS[0].isoformat()})
    plot = charts.features_plot(FeaturesReport(filters=sealed, rows=rows, active_users=9, days=DAYS))
    assert plot.key == ["b", "a"]


def feature_report(users: list[Any]) -> FeatureReport:
    days = [FeatureDay(day, number, 9, day < TODAY) for day, number in zip(DAYS, users, strict=True)]
    return FeatureReport(
        filters=filters(), feature="timer", days=days, previous=[], actions=[], deployments=[],
        users_so_far=9, uses_so_far=9, users=Compared(9), uses=Compared(9), share=Compared(0.5),
        repeat_users=Compared(0), active_users=9,
    )  # fmt: skip


def test_one_feature_ends_in_a_hollow_dot() -> None:
    plot = charts.feature_plot(feature_report([1, 2, 3]))
    (dot,) = [trace for trace in plot.figure["data"] if trace.get("mode") == "markers"]
    assert (dot["x"], dot["y"], dot["marker"]["color"]) == (["2026-11-17"], [3], "var(--surface)")
    assert len(plot.figure["layout"]["shapes"]) == 1
    assert plot.alt.startswith("Line plot of the people who used timer each day")


def latency(*numbers: tuple[Any, Any, Any]) -> Plot:
    days = [EndpointDay(day, 5, 0, *three, 5, day < TODAY) for day, three in zip(DAYS, numbers, strict=True)]
    return charts.latency_plot(filters(), days, [], "all")


def test_response_times_lie_on_a_logarithmic_axis() -> None:
    axis = latency((10, 100, 1000), (10, 100, 1000), (10, 100, 1000)).figure["layout"]["yaxis"]
    low, high = (10**end for end in axis["range"])
    assert (low, high) == (pytest.approx(6.2), pytest.approx(1350))
    assert axis["ticktext"] == ["10 ms", "20 ms", "50 ms", "100 ms", "200 ms", "500 ms", "1 s"]


def test_bands_are_drawn_where_all_three_percentiles_are_known() -> None:
    plot = latency((10, 20, 30), (10, Withheld.HIDDEN, 30), (10, 20, 30))
    bands = [
        trace for trace in plot.figure["data"] if "fillcolor" in trace and trace.get("hoverinfo") == "skip"
    ]
    assert [len(trace["x"]) for trace in bands] == [1] * 6
    assert [trace["y"] for trace in bands][:3] == [[10], [20], [30]]
    labels = [note["text"] for note in plot.figure["layout"]["annotations"]]
    assert labels == ["today so far", "p50", "p95", "p99"]


def test_without_requests_the_axis_is_from_ten_milliseconds_to_a_second() -> None:
    axis = latency(*[(None, None, None)] * 3).figure["layout"]["yaxis"]
    assert axis["range"] == [1.0, 3.0]


def retention(cohorts: list[CohortRow], curve: list[CurveDay]) -> RetentionReport:
    none = Headline(0, 0, 0, 0, None)
    return RetentionReport(
        filters=filters(), headline=none, previous=None, curve=curve, cohorts=cohorts, averages=[]
    )


def week(number: int, rate: Any, *, is_open: bool = False) -> CohortRow:
    return CohortRow(date(2026, 10, 5) + timedelta(weeks=number), 9, [], 9, 5, rate, is_open)


def test_weeks_that_are_not_over_are_hollow_and_dashed() -> None:
    rows = [
        week(0, None),
        week(1, 0.5),
        week(2, Withheld.HIDDEN),
        week(3, 0.2555),
        week(4, 0.1, is_open=True),
    ]
    plot = charts.retention_weeks_plot(retention(rows, []))
    dots = named(plot)["Came back"]
    assert dots["x"] == ["2026-10-12", "2026-10-19", "2026-10-26", "2026-11-02"]
    assert dots["y"] == [50.0, None, 25.6, 10.0]
    assert dots["marker"]["color"] == ["var(--series-1)"] * 3 + ["var(--surface)"]
    assert dots["customdata"] == ["", "", "", " so far"]
    (line,) = [trace for trace in plot.figure["data"] if trace["mode"] == "lines"]
    assert line["x"][-1] == "2026-10-26"
    (piece,) = plot.figure["layout"]["shapes"]
    assert (piece["x0"], piece["x1"]) == ("2026-10-26", "2026-11-02")
    assert plot.figure["layout"]["xaxis"]["range"] == ["2026-10-10", "2026-11-04"]


def test_the_curve_has_a_label_at_each_end_and_ends_at_a_hundred() -> None:
    curve = [
        CurveDay(n, 20, 5, 9, on, later) for n, on, later in ((1, 0.25, 0.95), (2, 0.2, Withheld.HIDDEN))
    ]
    plot = charts.retention_curve_plot(retention([], curve))
    assert named(plot)["On day N"]["customdata"] == ["25.0%", "20.0%"]
    assert named(plot)["On day N or later"]["customdata"] == ["95.0%", "hidden"]
    assert [(note["text"], note["y"]) for note in plot.figure["layout"]["annotations"]] == [
        ("On day N", 20.0),
        ("On day N or later", 95.0),
    ]
    assert plot.figure["layout"]["yaxis"]["range"] == [0, 100.0]
    lines = [trace for trace in plot.figure["data"] if "name" not in trace]
    assert [line["mode"] for line in lines] == ["lines", "lines+markers"]


def versions(days: list[InstallationDay], shown: list[str]) -> Plot:
    none = Compared(None)
    report = InstallationsReport(
        filters=filters(), active=none, new=none, gone_quiet=none, total=9, on_newest=none,
        newest_version="2.0", days=days, shown_versions=shown, versions=[], platforms=[],
        architectures=[], channels=[], deployments=[],
    )  # fmt: skip
    return charts.versions_plot(report)


def test_versions_are_stacked_and_what_is_hidden_is_the_rest() -> None:
    days = [
        InstallationDay(DAYS[0], 30, (10, 20), True),
        InstallationDay(DAYS[1], 30, (Withheld.FEW, Withheld.HIDDEN), True),
        InstallationDay(DAYS[2], 99, (50, 49), False),
    ]
    plot = versions(days, ["1.0", "2.0"])
    stacked = [trace for trace in plot.figure["data"] if "stackgroup" in trace]
    assert [trace["y"] for trace in stacked] == [[10, None], [20, None], [None, 30]]
    assert [trace["fillcolor"] for trace in stacked] == [
        "var(--ord-4)",
        "var(--ord-5)",
        "var(--series-other-fill)",
    ]
    assert named(plot)["2.0"]["customdata"] == ["20", "hidden"]
    assert [label["text"] for label in plot.figure["layout"]["annotations"]][-1] == "Too few to show"


def test_a_day_of_few_installations_draws_nothing() -> None:
    plot = versions([InstallationDay(DAYS[0], Withheld.FEW, (Withheld.HIDDEN,), True)], ["1.0"])
    assert plot.is_empty
