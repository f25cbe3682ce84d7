"""Sparklines and bars: no styles, noise stays flat, hidden counts stay hidden."""

from dashboards.charts import svg


def test_noise_stays_flat() -> None:
    heights = {float(point.split()[1]) for point in _points(svg.sparkline([100, 101, 100, 101]))}

    assert max(heights) - min(heights) < 36 * 0.05


def test_a_hidden_count_leaves_a_gap() -> None:
    line = svg.sparkline([10, None, 12, 13])

    assert line.count("M") == 3  # two pieces and the dot


def test_a_line_without_any_shown_value_is_not_drawn() -> None:
    assert svg.sparkline([None, None]) == ""
    assert svg.sparkline([]) == ""


def test_the_last_piece_is_dashed_and_hollow_when_it_is_not_over() -> None:
    line = svg.sparkline([1, 2, 3], is_last_unfinished=True)

    assert 'class="part"' in line
    assert 'class="dot hollow"' in line


def test_a_hidden_count_has_no_bar() -> None:
    assert "<rect" not in svg.bar(None, previous=0.5)


def test_bars_end_at_the_cells_edge() -> None:
    assert 'width="100.00%"' in svg.bar(1.7)
    assert svg.latency_bar(1, 5, 9, 3).count('width="100.00%"') == 2


def test_a_name_cannot_break_out_of_its_label() -> None:
    assert '"><script>' not in svg.sparkline([1, 2], label='"><script>')


def _points(drawing: str) -> list[str]:
    path = drawing.split('class="now" d="M')[1].split('"')[0]
    return path.split("L")


def test_the_line_fills_the_box_between_its_margins() -> None:
    points = [
        tuple(map(float, point.split())) for point in _points(svg.sparkline([0, 10], width=100, height=50))
    ]

    assert points == [(0.0, 45.2), (100.0, 4.8)]


def test_the_earlier_line_shares_the_scale() -> None:
    line = svg.sparkline([5, 5], previous=[5, 15], width=100, height=50)

    assert 'class="prev" d="M0.0 45.2L100.0 4.8"' in line
    assert 'class="prev"' not in svg.sparkline([5, 5], previous=[None, None])


def test_columns_are_as_tall_as_their_share_and_the_last_is_not_over() -> None:
    drawing = svg.column_chart([0, 5, 10], width=30, height=40)

    assert [part.split('"')[0] for part in drawing.split(' height="')[1:]] == ["0.0", "20.0", "40.0"]
    assert drawing.count('class="part"') == 1
    assert 'class="part"' not in svg.column_chart([1], is_last_unfinished=False)
    assert svg.column_chart([]) == ""
    assert 'height="1.0"' in svg.column_chart([1, 1000]), "what is there can be seen"


def test_a_bar_has_a_tick_where_it_was_before() -> None:
    drawing = svg.bar(0.5, "v2", previous=0.25)

    assert 'class="v2" width="50.00%"' in drawing
    assert 'class="prevtick" x="25.00%"' in drawing
    assert "prevtick" not in svg.bar(0.5)
    assert 'x="0.00%"' in svg.bar(0.5, previous=-1)


def test_a_latency_bar_needs_all_three() -> None:
    assert [part.split('"')[0] for part in svg.latency_bar(1, 2, 4, 8).split('class="')[2:]] == [
        "p99",
        "p95",
        "v",
    ]
    for one in ((None, 2, 4), (1, None, 4), (1, 2, None)):
        assert "<rect" not in svg.latency_bar(*one, 8)


def test_parts_of_a_bar_follow_each_other() -> None:
    drawing = svg.share_bar([("a", 0.25), ("b", 0.75)])

    assert [part.split('"')[0] for part in drawing.split(' x="')[1:]] == ["0.00%", "25.00%"]
    assert 'width="24.70%"' in drawing
