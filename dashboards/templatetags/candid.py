"""Tags and filters of the templates: numbers (`dashboards.numbers`), small drawings, and links."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.timesince import timesince

from analytics.reports.cells import Compared, Measure, Withheld
from dashboards import numbers
from dashboards.charts import svg
from dashboards.layout.navigation import NAMED_IN_QUERY
from dashboards.views.reports.overview_rows import CoveragePart

register = template.Library()
register.filter("count", numbers.count)
register.filter("compact", numbers.compact)
register.filter("decimal", numbers.decimal)
register.filter("percent", numbers.percent)
register.filter("milliseconds", numbers.milliseconds)
register.filter("seconds", numbers.seconds)
register.filter("megabytes", numbers.megabytes)
register.filter("day", numbers.day)
register.simple_tag(svg.bar, name="bar")


@register.simple_tag
def latency_bar(p50: Measure, p95: Measure, p99: Measure, full_ms: float) -> SafeString:
    return svg.latency_bar(numbers.shown(p50), numbers.shown(p95), numbers.shown(p99), full_ms)


@register.simple_tag
def change(
    value: Measure | Compared, before: Measure = None, good: str = "", kind: str = "relative", digits: int = 1
) -> SafeString:
    """`{% change now before good="up" %}`, or `{% change compared %}`."""
    compared = value if isinstance(value, Compared) else Compared(value, before)
    return numbers.change(compared, good, kind, digits)


@register.simple_tag
def change_of(relative: Measure, good: str = "") -> str:
    """The arrow of a change that a report has computed itself: 0.1 is an increase of ten per cent."""
    number = numbers.shown(relative)
    if number is None:
        return numbers.count(relative)
    return numbers.change(Compared(1 + number, 1.0), good)


@register.filter
def is_hidden(value: Measure) -> bool:
    return isinstance(value, Withheld)


@register.filter
def ago(minute: datetime) -> str:
    """“in the last minute”, “3 hours, 2 minutes ago”. `minute` is the start of a minute."""
    if timezone.now() - minute < timedelta(minutes=2):
        return "in the last minute"
    return f"{timesince(minute)} ago"


@register.filter
def duration(length: timedelta | None) -> str:
    """418 ms, 1.18 s, 18 min; a dash where nothing was timed."""
    if not length:
        return numbers.NO_DATA
    total_seconds = length.total_seconds()
    milliseconds = numbers.milliseconds(total_seconds * 1000)
    return milliseconds if total_seconds < 60 else numbers.seconds(total_seconds)


@register.filter
def is_above(value: Measure, limit: float) -> bool:
    number = numbers.shown(value)
    return number is not None and number > limit


@register.filter
def percent_bare(value: Measure) -> str:
    """A share of 0.44 as 44, for tables whose caption says percent."""
    return numbers.count(value * 100 if isinstance(value, int | float) else value)


@register.simple_tag
def row_sparkline(values: Sequence[Measure]) -> SafeString:
    """The small line in a table row; a word instead if more than half of its days are withheld."""
    marks = [value for value in values if isinstance(value, Withheld)]
    if 2 * len(marks) > len(values):
        word = Withheld.GONE if marks.count(Withheld.GONE) * 2 > len(marks) else Withheld.HIDDEN
        return format_html('<span class="muted">{}</span>', str(word))
    return svg.sparkline([numbers.shown(value) for value in values], width=96, height=22, kind="row")


@register.simple_tag
def share_of_parts(parts: Sequence[CoveragePart]) -> SafeString:
    """The bar of a consent row. If a part is hidden there is no bar: its length would give the part away."""
    shown = [(part.kind, share) for part in parts if (share := numbers.shown(part.share)) is not None]
    if len(shown) != len(parts):
        return SafeString('<span class="muted">Too few to draw</span>')
    words = ", ".join(f"{part.value} {part.name.lower()}" for part in parts)
    bar = svg.share_bar(shown)
    return format_html('<div role="img" aria-label="{}">{}</div>', words, bar)


@register.filter
def breakable(path: str) -> SafeString:
    """A route that may be broken into lines after slashes and hyphens."""
    safe = escape(path).replace("/", "/<wbr>").replace("-", "-<wbr>")
    return mark_safe(safe)  # noqa: S308 - escaped above


@register.simple_tag(takes_context=True)
def report_address(context: dict[str, Any], page: str, *parts: str, **query: str) -> str:
    """The address of another report page, with this page's range and filters."""
    page_query = urlencode(query, safe="", quote_via=quote)
    filters_query = context["filters"].navigation_querystring
    querystring = "&".join(filter(None, (page_query, filters_query)))
    return reverse(f"dashboards:{page}", args=parts) + (f"?{querystring}" if querystring else "")


@register.simple_tag(takes_context=True)
def feature_address(context: dict[str, Any], name: str) -> str:
    """The address of a feature's page, whatever its name.

    Browsers and proxies shorten paths that hold `..`, `.` or nothing between slashes: such a name, and that
    of the page which takes it, stands in the query.
    """
    if {"", ".", ".."} & set(name.split("/")) or name == NAMED_IN_QUERY:
        return report_address(context, "feature", NAMED_IN_QUERY, feature=name)
    return report_address(context, "feature", name)


@register.inclusion_tag("dashboards/includes/sort_head.html", takes_context=True)
def sort_head(
    context: dict[str, Any], column: str, label: str, kind: str = "num", default: str = ""
) -> dict[str, Any]:
    """The head of a column: a link that sorts by it. `default` is the page's order when none is asked for."""
    current = context["filters"].sort or default
    is_current = current.removeprefix("-") == column
    descends = current == f"-{column}"
    query = context["request"].GET.copy()
    query["sort"] = column if (is_current and descends) else f"-{column}"
    return {
        "address": f"?{query.urlencode()}",
        "label": label,
        "kind": kind,
        "order": ("descending" if descends else "ascending") if is_current else "",
    }
