"""A figure on a page, as plain data that is checked against plotly.py's own schema.

Colours are written as `var(--token)`, which the browser resolves: the server need not know the theme. `None`
is a withheld number: it draws nothing, and no chart works it out from other numbers.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go  # type: ignore[import-untyped]

Figure = dict[str, Any]
Trace = dict[str, Any]
Number = float | int | None


class Plot(NamedTuple):
    """A figure on a page: its id there, the figure, the alternative text, and the names in its key."""

    id: str
    figure: Figure
    alt: str
    key: Sequence[str] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is drawn: withheld points and hover texts draw nothing, and zeros have no shape."""
        return not any(
            number
            for trace in self.figure["data"]
            if "customdata" not in trace
            for number in trace.get("y", ())
        )

    @property
    def script_id(self) -> str:
        return f"figure-{self.id}"


def token(name: str) -> str:
    return f"var(--{name})"


def figure(traces: list[Trace], layout: dict[str, Any]) -> Figure:
    """The figure as plain lists and dicts. Raises ValueError when plotly does not know a property."""
    checked: Figure = go.Figure({"data": traces, "layout": layout}).to_plotly_json()
    checked["layout"].pop("template", None)  # the page has its own (candid.json)
    return checked
