"""Sparklines and bars: attributes only, noise flat, hidden counts invisible."""

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
