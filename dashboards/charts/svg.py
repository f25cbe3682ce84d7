"""Small drawings in pages: sparklines and bars, as SVG made on the server.

They use presentation attributes only, because the Content-Security-Policy allows no `style`. `None` is a
withheld number: it leaves a gap in a line, and has no bar.
"""

from collections.abc import Sequence

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

Number = float | int | None
Point = tuple[float, float]


def sparkline(
    values: Sequence[Number],
    *,
    previous: Sequence[Number] = (),
    width: int = 240,
    height: int = 36,
    kind: str = "",
    is_last_unfinished: bool = False,
    label: str = "",
) -> SafeString:
    """A line. Its vertical range is at least a quarter of its mean, so that noise looks flat."""
    scale = _Scale(values, previous, width, height)
    if scale.is_empty:
        return SafeString("")
    points = scale.points(values)
    name = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    parts = [f'<svg class="spark {kind}" viewBox="0 0 {width} {height}" preserveAspectRatio="none" {name}>']
    if any(value is not None for value in previous):
        parts.append(f'<path class="prev" d="{_path(scale.points(previous))}"/>')
    if is_last_unfinished and len(points) > 1:
        parts.append(f'<path class="now" d="{_path(points[:-1])}"/>')
        parts.append(f'<path class="part" d="{_path(points[-2:])}"/>')
    else:
        parts.append(f'<path class="now" d="{_path(points)}"/>')
    if points[-1] is not None:
        x, y = points[-1]
        dots = ("dot hollow", "dot hole") if is_last_unfinished else ("dot",)
        parts += [f'<path class="{dot}" d="M{x:.1f} {y:.1f}h.01"/>' for dot in dots]
    return _svg([*parts, "</svg>"])


class _Scale:
    """Turns values into points of the box, for the line and for the earlier one."""

    def __init__(self, values: Sequence[Number], previous: Sequence[Number], width: int, height: int) -> None:
        shown = [float(value) for value in (*values, *previous) if value is not None]
        self.width, self.height = width, height
        self.is_empty = not values or not shown
        if self.is_empty:
            return
        low, high = min(shown), max(shown)
        least = 0.25 * abs(sum(shown) / len(shown)) or 1.0
        if high - low < least:
            middle = (low + high) / 2
            low, high = middle - least / 2, middle + least / 2
        margin = (high - low) * 0.12
        self.low, self.span = low - margin, high - low + 2 * margin

    def points(self, values: Sequence[Number]) -> list[Point | None]:
        step = self.width / max(1, len(values) - 1)
        return [
            None if value is None else (i * step, self.height - (value - self.low) / self.span * self.height)
            for i, value in enumerate(values)
        ]


def _path(points: Sequence[Point | None]) -> str:
    parts: list[str] = []
    is_drawing = False
    for point in points:
        if point is None:
            is_drawing = False
            continue
        parts.append(f"{'L' if is_drawing else 'M'}{point[0]:.1f} {point[1]:.1f}")
        is_drawing = True
    return "".join(parts)


def column_chart(
    values: Sequence[float], *, width: int = 240, height: int = 40, is_last_unfinished: bool = True
) -> SafeString:
    """Bars side by side, such as events per hour."""
    if not values:
        return SafeString("")
    highest = max(values) or 1
    step = width / len(values)
    parts = [
        f'<svg class="spark bars" viewBox="0 0 {width} {height}" preserveAspectRatio="none"'
        ' aria-hidden="true">'
    ]
    for i, value in enumerate(values):
        bar_height = max(1.0, value / highest * height) if value else 0.0
        kind = "part" if is_last_unfinished and i == len(values) - 1 else ""
        parts.append(
            f'<rect class="{kind}" x="{i * step + 0.6:.1f}" y="{height - bar_height:.1f}"'
            f' width="{step - 1.2:.1f}" height="{bar_height:.1f}"/>'
        )
    return _svg([*parts, "</svg>"])


def bar(share: float | None, kind: str = "v", *, previous: float | None = None) -> SafeString:
    """A bar of `share` (0 to 1) of the cell, with a tick where the earlier period was."""
    parts = ['<svg class="ibar" aria-hidden="true">']
    if share is not None:
        parts.append(f'<rect class="{kind}" width="{_percent(share)}" height="100%"/>')
        if previous is not None:
            parts.append(f'<rect class="prevtick" x="{_percent(previous)}" y="-2" width="1.5" height="14"/>')
    return _svg([*parts, "</svg>"])


def latency_bar(p50: Number, p95: Number, p99: Number, full_ms: float) -> SafeString:
    """Bars of p50, p95 and p99 over each other, on an axis that ends at `full_ms`."""
    if p50 is None or p95 is None or p99 is None:
        return bar(None)
    steps = (("p99", p99), ("p95", p95), ("v", p50))
    inner = "".join(
        f'<rect class="{kind}" width="{_percent(ms / full_ms)}" height="100%"/>' for kind, ms in steps
    )
    return _svg([f'<svg class="ibar" aria-hidden="true">{inner}</svg>'])


def share_bar(parts: Sequence[tuple[str, float]]) -> SafeString:
    """One bar, split into parts: the kind and the share (0 to 1) of each."""
    at = 0.0
    drawn = ['<svg class="share" aria-hidden="true">']
    for kind, share in parts:
        drawn.append(
            f'<rect class="{kind}" x="{_percent(at)}" width="{_percent(share - 0.003)}" height="100%"/>'
        )
        at += share
    return _svg([*drawn, "</svg>"])


def _percent(share: float) -> str:
    return f"{min(1.0, max(0.0, share)) * 100:.2f}%"


def _svg(parts: list[str]) -> SafeString:
    return mark_safe("".join(parts))  # noqa: S308 - numbers and names of ours, labels escaped above
