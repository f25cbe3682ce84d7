"""Text and lines can be read in both themes (WCAG 2: 4.5 to 1 for text, 3 to 1 for marks and borders)."""

import re
from pathlib import Path

import pytest

CSS = Path(__file__).parents[3] / "dashboards" / "static" / "dashboards" / "tokens.css"
ONE = r"((?:rgba?\([^)]*\)|[^,()])+)"
TOKENS = {
    name: (light.strip(), dark.strip())
    for name, light, dark in re.findall(rf"--([\w-]+):\s*light-dark\({ONE},\s*{ONE}\)", CSS.read_text())
}
TEXTS = ["ink", "ink-2", "ink-3", "accent", "good", "warn", "bad", "series-1-ink", "series-2-ink"]
SURFACES = ["bg", "surface", "sunken"]
PAIRS = [
    *((text, surface, 4.5) for text in TEXTS for surface in SURFACES),
    *((status, f"{status}-wash", 4.5) for status in ("good", "warn", "bad")),
    ("on-accent", "accent", 4.5),
    ("ink", "selected", 4.5),
    ("ink", "raised", 4.5),
    *((f"series-{name}", "surface", 3.0) for name in ("1", "2", "3", "4", "5", "other")),
    ("line-strong", "bg", 3.0),
    ("line-strong", "surface", 3.0),
    ("ghost", "surface", 3.0),
    ("focus", "bg", 3.0),
    *((f"seq-{i}-ink" if f"seq-{i}-ink" in TOKENS else "ink", f"seq-{i}", 4.5) for i in range(8)),
]


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back", "least"), PAIRS)
def test_a_pair_of_colours_has_contrast(front: str, back: str, least: float, theme: int) -> None:
    lighter, darker = sorted((luminance(TOKENS[name][theme]) for name in (front, back)), reverse=True)

    assert (lighter + 0.05) / (darker + 0.05) >= least
