"""The parameters of a report's address: their names, their allowed values, and how they are read.

A message of `FilterError` names the parameter and what is allowed. It never repeats what was sent:
somebody may have typed a raw id.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from analytics.report_days import week_of
from analytics.rollups.layout import OTHER

PRESETS = {"7d": 7, "30d": 30, "90d": 90, "12m": 364}  # days, today included; 364 is 52 whole weeks
PRESET_LABELS = {
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "90d": "Last 90 days",
    "12m": "Last 12 months",
    "custom": "Custom",
}
DEPLOYMENTS = {"cloud": "Cloud", "self-hosted": "Self-hosted", "unknown": "Not reported"}
ACTIVITIES = {"any": "Any event", "login": "Sign-ins"}
DEFINITIONS = {
    "window": "Active on any of days 1 to 7",
    "login_window": "Another sign-in within 7 × 24 hours",
}
METRICS = {"dau": "Daily", "wau": "7 days", "mau": "28 days"}
SORTS = frozenset(
    {"name", "users", "uses", "share", "per", "change", "repeat"}
    | {"endpoint", "requests", "mean", "p50", "p95", "p99", "errors", "date"}
    | {"occurrences", "first", "last", "calls", "memory"}
)
WEEKS = {"7d": 1, "30d": 4, "90d": 12, "12m": 52}  # of the presets, where only whole weeks may be asked for
MONDAY, SUNDAY = 0, 6
WHOLE_WEEKS = (
    "a key of one organization is answered for whole weeks that are over (or range: 7d, 30d, 90d, 12m)"
)
MAX_DAYS = 400
NOT_REPORTED = "{none}"  # as the value of a dimension; `{other}` is a value like any other
WORDS_OF_VALUES = {"": "not reported", OTHER: "all others"}
LONGEST_VALUE = 60  # characters, of a dimension
EARLIEST = date(2000, 1, 1)
PARAMETERS = (
    "range",
    "from",
    "to",
    "deployment",
    "org",
    "internal",
    "compare",
    "activity",
    "definition",
    "metric",
    "sort",
    "by",
)
NAVIGATION = ("range", "from", "to", "deployment", "org", "compare", "internal")


class FilterError(Exception):
    """A parameter that can't be used; the message names it and says what is allowed."""

    def __init__(self, parameter: str, allowed: str) -> None:
        super().__init__(f"“{parameter}” {allowed}")
        self.parameter = parameter


def choice(query: Mapping[str, str], name: str, allowed: Mapping[str, str], default: str) -> str:
    value = query.get(name, "") or default
    if value not in allowed and value != default:
        raise FilterError(name, f"must be one of: {', '.join(allowed)}")
    return value


def flag(query: Mapping[str, str], name: str, default: bool) -> bool:
    value = query.get(name, "").lower()
    if not value:
        return default
    if value not in {"1", "0", "true", "false"}:
        raise FilterError(name, "must be 1 or 0")
    return value in {"1", "true"}


def _day(query: Mapping[str, str], name: str) -> date | None:
    value = query.get(name, "")
    if not value:
        return None
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise FilterError(name, "must be a date, written like 2026-01-31")


def days_asked(query: Mapping[str, str], today: date) -> tuple[str, date, date]:
    """The name of the range, its first and its last day."""
    chosen = choice(query, "range", PRESET_LABELS, "")
    first, last = _day(query, "from"), _day(query, "to")
    if not chosen:
        chosen = "custom" if first or last else "30d"
    if chosen == "custom":
        return chosen, *_custom_days(first, last, today)
    return chosen, today - timedelta(days=PRESETS[chosen] - 1), today


def weeks_asked(query: Mapping[str, str], today: date) -> tuple[str, date, date]:
    """The same for somebody who may ask for whole weeks that are over only: a preset's latest weeks."""
    chosen, first, last = days_asked(query, today)
    over = week_of(today) - timedelta(days=1)
    if chosen != "custom":
        return chosen, over - timedelta(weeks=WEEKS[chosen], days=-1), over
    if first.weekday() != MONDAY:
        raise FilterError("from", f"must be a Monday: {WHOLE_WEEKS}")
    if last.weekday() != SUNDAY or last > over:
        raise FilterError("to", f"must be a Sunday, {over.isoformat()} at the latest: {WHOLE_WEEKS}")
    return chosen, first, last


def deployment(query: Mapping[str, str]) -> str:
    """The deployment type in its usual spelling; '' for all."""
    value = query.get("deployment", "").replace("self_hosted", "self-hosted")
    if value and value not in DEPLOYMENTS:
        raise FilterError("deployment", f"must be one of: {', '.join(DEPLOYMENTS)}")
    return value


def organization(query: Mapping[str, str]) -> str:
    """The organization's pseudonym; '' for all."""
    value = query.get("org", "")
    if value and not re.fullmatch(r"[0-9a-f]{32}", value):
        raise FilterError("org", "must be an organization's pseudonym: 32 hexadecimal digits, lower case")
    return value


def dimensions(query: Mapping[str, str], names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The dimensions asked for, in the order of `names`, each with its value; '' is not reported."""
    asked = []
    for name in names:
        value = query.get(name, "")
        if len(value) > LONGEST_VALUE or not value.isprintable():
            raise FilterError(name, f"must have at most {LONGEST_VALUE} characters, all of them printable")
        if value:
            asked.append((name, "" if value == NOT_REPORTED else value))
    return tuple(asked)


def in_words(dimension: str) -> str:
    """“app version”, for `app_version`."""
    return dimension.replace("_", " ").replace(".", " ")


def sort(query: Mapping[str, str]) -> str:
    value = query.get("sort", "")
    if value and value.removeprefix("-") not in SORTS:
        allowed = ", ".join(sorted(SORTS))
        raise FilterError("sort", f"must be a column, with - before it for descending: {allowed}")
    return value


def _custom_days(first: date | None, last: date | None, today: date) -> tuple[date, date]:
    if first is None:
        raise FilterError("from", "is missing: a custom range needs it, written like 2026-01-31")
    last = last or today
    if last > today:
        raise FilterError("to", f"must not be after today, {today.isoformat()}")
    if first > last:
        raise FilterError("from", "must not be after “to”")
    if first < EARLIEST or (last - first).days >= MAX_DAYS:
        raise FilterError("from", f"must be less than {MAX_DAYS} days before “to”")
    return first, last
