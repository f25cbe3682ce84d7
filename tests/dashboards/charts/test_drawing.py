"""Lines, areas, axes and words of figures."""

from datetime import date, timedelta
from typing import Any

import pytest

from analytics.reports.cells import Withheld
from dashboards.charts import axes, drawing, wording
from dashboards.charts.plot import Plot, figure

TODAY = date(2026, 11, 17)  # a Tuesday
DAYS = [TODAY - timedelta(days=n) for n in (2, 1, 0)]


def test_a_line_ends_with_the_last_day_that_is_over() -> None:
    line = drawing.finished_line(DAYS, [1, None, 3], "series-1", 2, TODAY)
    assert (line["x"], line["y"], line["mode"]) == (["2026-11-15", "2026-11-16"], [1, None], "lines")
    alone = drawing.finished_line(DAYS[1:], [1, 3], "series-1", 2, TODAY)
    assert (alone["x"], alone["mode"]) == (["2026-11-16"], "lines+markers")


@pytest.mark.parametrize(
    ("days", "values", "is_drawn"),
    [
        (DAYS, [1, 2, 3], True),
        (DAYS, [None, 2, 3], True),
        (DAYS, [1, None, 3], False),
        (DAYS, [1, 2, None], False),
        (DAYS[2:], [3], False),
        (DAYS[:2], [1, 2], False),  # over
    ],
)
def test_the_piece_into_today_needs_both_of_its_ends(
    days: list[date], values: list[Any], is_drawn: bool
) -> None:
    pieces = drawing.unfinished_line(days, values, "series-1", 2, TODAY)
    assert len(pieces) == is_drawn
    for piece in pieces:
        assert (piece["x0"], piece["x1"], piece["y0"], piece["y1"]) == ("2026-11-16", "2026-11-17", 2, 3)


def test_only_today_is_veiled_and_noted() -> None:
    (veil,) = drawing.veil(DAYS, TODAY)
    assert (veil["x0"], veil["x1"]) == ("2026-11-16", "2026-11-17")
    assert drawing.veil(DAYS[:2], TODAY) == drawing.veil(DAYS[2:], TODAY) == []
    (note,) = wording.today_note(DAYS, TODAY)
    assert note["x"] == "2026-11-17"
    assert wording.today_note(DAYS[:2], TODAY) == wording.today_note([], TODAY) == []


def test_areas_are_one_for_each_run_of_shown_days() -> None:
    assert drawing.runs([True, True, False, True]) == [slice(0, 2), slice(3, 4)]
    assert drawing.runs([False]) == drawing.runs([]) == []
    assert [area["y"] for area in drawing.areas(DAYS, [1, None, 3], "band-1")] == [[1], [3]]
    assert drawing.areas(DAYS, [0, 0, 0], "band-1", fill="none")[0]["fill"] == "none"


def test_an_edge_of_a_stack_is_unknown_where_a_part_is() -> None:
    assert drawing.added([1, None, 0], [2, 3, None]) == [3, None, None]


def test_the_period_before_says_its_own_days_and_nothing_when_it_had_no_events() -> None:
    line, hover = drawing.earlier_lines("earlier", DAYS, [4, Withheld.FEW, 0], timedelta(days=7))
    assert line["y"] == [4, None, 0]
    assert hover["customdata"] == ["4 on 8 Nov", "<5 on 9 Nov", "0 on 10 Nov"]
    assert drawing.earlier_lines("earlier", DAYS, [0, 0, None], timedelta(days=7)) == []


def test_hover_says_every_value_in_words() -> None:
    said = wording.day_words([1234, None, Withheld.HIDDEN], DAYS, TODAY)
    assert said == ["1,234", "no data", "hidden so far"]
    hover = drawing.hover_text("Users", ["a", "b"], ["1", "2"], "series-1", at=0.5)
    assert (hover["y"], hover["line"]["width"]) == ([0.5, 0.5], 0)


@pytest.mark.parametrize(
    ("length", "ticks"),
    [
        (2, {"dtick": 86_400_000}),
        (14, {"dtick": 86_400_000}),
        (15, {"tick0": "2026-11-02", "dtick": 7 * 86_400_000}),
        (44, {"tick0": "2026-10-05", "dtick": 7 * 86_400_000}),
        (45, {"tick0": "2026-09-28", "dtick": 14 * 86_400_000}),
        (120, {"dtick": 14 * 86_400_000}),
        (121, {"tick0": "2026-07-01", "dtick": "M1", "tickformat": "%b %Y"}),
    ],
)
def test_ticks_are_days_mondays_or_months(length: int, ticks: dict[str, Any]) -> None:
    days = [TODAY - timedelta(days=n) for n in range(length - 1, -1, -1)]
    axis = axes.day_axis(days)
    assert axis["range"] == [days[0].isoformat(), "2026-11-17"]
    assert ticks.items() <= axis.items()
    assert ("tick0" in axis) == (length > 14)


def test_a_single_day_has_room_on_both_sides() -> None:
    assert axes.day_axis([TODAY])["range"] == ["2026-11-16", "2026-11-18"]


def test_the_scale_ends_a_little_above_the_highest() -> None:
    assert axes.top_of([1, None, 10], [20]) == pytest.approx(22)
    assert axes.top_of([0], [None]) == axes.top_of() == 1.0


def test_labels_that_would_touch_are_pushed_apart() -> None:
    placed = wording.stacked_labels([("a", 0, "ink"), ("b", 10, "ink"), ("c", 90, "ink")], span=330)
    assert [label["yshift"] for label in placed] == [0, 6, 0]
    exactly = wording.stacked_labels([("a", 0, "ink"), ("b", 16, "ink")], span=330)
    assert [label["yshift"] for label in exactly] == [0, 0]
    assert len(wording.stacked_labels([("a", 0, "ink")], span=0)) == 1


def test_a_label_stands_at_the_last_final_value() -> None:
    assert wording.last_complete(DAYS, [1, 2, 3], TODAY) == 2
    assert wording.last_complete(DAYS, [1, None, 3], TODAY) == 1
    assert wording.last_complete(DAYS[2:], [3], TODAY) == 0


@pytest.mark.parametrize(("y", "is_empty"), [([0, None], True), ([0, 2], False), ([], True)])
def test_zeros_and_hidden_points_are_no_figure(y: list[Any], is_empty: bool) -> None:
    hover = drawing.hover_text("a", [1], ["1"], "ink", at=1.0)
    plot = Plot("a", figure([{"type": "scatter", "y": y}, hover], {}), "")
    assert plot.is_empty == is_empty
    assert plot.script_id == "figure-a"


def test_a_property_that_plotly_does_not_know_is_an_error() -> None:
    with pytest.raises(ValueError, match="colour"):
        figure([{"type": "scatter", "colour": "red"}], {})


def test_names_in_figures_are_shown_as_they_are() -> None:
    """Plotly would read tags and entities in them, our script a colour (`tests/browser`)."""
    sent = "<b>a</b> &lt; var(--ink)"
    shown = "&lt;b&gt;a&lt;/b&gt; &amp;lt; var&#40;--ink)"
    assert drawing.hover_text(sent, [1], ["<5"], "ink")["name"] == shown
    assert wording.edge_label(sent, 1, "ink")["text"] == shown
