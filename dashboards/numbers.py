"""How numbers are written on a page: 1,234 · 1.69 M · 44.2% · 418 ms · 1.18 s · 2.3 pt.

A withheld number is written as the reason why it is withheld.
"""

from datetime import date

from django.conf import settings
from django.utils.html import format_html
from django.utils.safestring import SafeString

from analytics.reports.cells import AndFewMore, AtLeast, Compared, Measure, Withheld

CLEAR_CHANGE = 0.03  # of the earlier value; smaller changes stay grey
NO_DATA = SafeString('<span class="muted">–<span class="vh">no data</span></span>')


def shown(value: Measure) -> float | None:
    """The number for a drawing; None when it is withheld."""
    return None if isinstance(value, Withheld) else value


def _withheld(value: Withheld | None) -> SafeString:
    """What stands in place of a number: the reason, or that there is no data."""
    if value is None:
        return NO_DATA
    if value is Withheld.FEW:
        return format_html(
            '<span class="lt more" tabindex="0" title="Fewer than {}: the exact count is hidden">{}</span>',
            settings.SUPPRESS_BELOW,
            str(value),
        )
    return format_html('<span class="muted">{}</span>', str(value))


def count(value: Measure) -> str:
    """1,234; with “+ few” where it leaves out what few people did."""
    return _and_few(f"{value:,.0f}", value) if isinstance(value, int | float) else _withheld(value)


def _and_few(text: str, value: Measure) -> str:
    if not isinstance(value, AndFewMore):
        return text
    title = f"What fewer than {settings.SUPPRESS_BELOW} people did is left out"
    return format_html('{} <span class="lt more" tabindex="0" title="{}">+ few</span>', text, title)


def compact(value: Measure) -> str:
    """Like `count`, and 1.69 M from a million on."""
    if isinstance(value, int | float) and value >= 1e6:
        return _and_few(f"{value / 1e6:,.2f} M", value)
    return count(value)


def decimal(value: Measure, digits: int = 1) -> str:
    """2.7; “≥ 2.7” where what few people did is left out."""
    if not isinstance(value, int | float):
        return _withheld(value)
    return f"{'≥ ' * isinstance(value, AtLeast)}{value:,.{digits}f}"


def percent(value: Measure, digits: int = 1) -> str:
    """A share between 0 and 1, as 44.2%; one that would round to zero, as <0.1%."""
    if not isinstance(value, int | float):
        return _withheld(value)
    least = 10**-digits
    return f"<{least:.{digits}f}%" if 0 < value * 100 < least / 2 else f"{value * 100:.{digits}f}%"


def milliseconds(value: Measure) -> str:
    """418 ms, 1.18 s"""
    if not isinstance(value, int | float):
        return _withheld(value)
    if value >= 1000:
        return f"{value / 1000:,.2f} s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def megabytes(value: Measure) -> str:
    """418 MB, 1.2 GB"""
    if not isinstance(value, int | float):
        return _withheld(value)
    if value >= 1000:
        return f"{value / 1000:,.1f} GB"
    return f"{value:.0f} MB" if value >= 10 else f"{value:.1f} MB"


def day(value: date | Withheld | None) -> str:
    """17 Nov 2026"""
    return f"{value.day} {value:%b %Y}" if isinstance(value, date) else _withheld(value)


def seconds(value: Measure) -> str:
    """45 s, 18 min, 2 h 5 min"""
    if not isinstance(value, int | float):
        return _withheld(value)
    if value < 60:
        return f"{value:.0f} s"
    minutes = round(value / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def round_milliseconds(value: float) -> str:
    """For axes: 1 s, 1.5 s, 50 ms."""
    return f"{value / 1000:g} s" if value >= 1000 else f"{value:g} ms"


def change(compared: Compared, good: str = "", kind: str = "relative", digits: int = 1) -> SafeString:
    """The arrow behind a headline: relative change, or points (`kind="points"`) between two shares.

    `good` is "up", "down" or "" for measures that are neither. Empty where nothing can be compared.
    """
    if not isinstance(compared.value, int | float) or not isinstance(compared.before, int | float):
        return SafeString("")
    if not compared.before:
        return SafeString("")
    relative = compared.value / compared.before - 1
    difference = (compared.value - compared.before) * 100 if kind == "points" else relative * 100
    if abs(difference) < 0.5 * 10**-digits:
        return SafeString('<span class="delta flat">no change</span>')
    way = "up" if difference > 0 else "down"
    tone = ""
    if good and abs(relative) >= CLEAR_CHANGE:
        tone = " good" if way == good else " bad"
    return format_html(
        '<span class="delta {}{}"><span class="vh">{} </span>{}{}</span>',
        way,
        tone,
        way,
        f"{abs(difference):,.{digits}f}",
        " pt" if kind == "points" else "%",
    )
