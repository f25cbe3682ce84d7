"""What a report is asked for: one set of parameters for pages, API and exports.

A message of `FilterError` names the parameter and what is allowed, and never repeats what was
sent: somebody may have typed a raw id.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Self
from urllib.parse import urlencode

from analytics.report_days import report_zone_name

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
)
MAX_DAYS = 400
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
)
NAVIGATION = ("range", "from", "to", "deployment", "org", "compare", "internal")


class FilterError(Exception):
    """A parameter that can't be used; the message names it and says what is allowed."""

    def __init__(self, parameter: str, allowed: str) -> None:
        super().__init__(f"“{parameter}” {allowed}")
        self.parameter = parameter


def _choice(query: Mapping[str, str], name: str, allowed: Mapping[str, str], default: str) -> str:
    value = query.get(name, "") or default
    if value not in allowed and value != default:
        raise FilterError(name, f"must be one of: {', '.join(allowed)}")
    return value


def _flag(query: Mapping[str, str], name: str, default: bool) -> bool:
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


@dataclass(frozen=True, kw_only=True)
class ReportFilters:
    """One question. `first` and `last` are inclusive report days; a preset ends today, which is not over."""

    range: str
    first: date
    last: date
    today: date
    deployment: str = ""
    organization: str = ""
    include_internal: bool = False
    compare: bool = True
    activity: str = "any"
    definition: str = "window"
    metric: str = "dau"
    sort: str = ""
    sealed_until: date | None = None  # a day of the range; it and those before have only kept counts

    @classmethod
    def from_query(cls, query: Mapping[str, str], *, today: date) -> Self:
        """Read the parameters of an address; empty ones count as left out. Raises `FilterError`."""
        chosen = _choice(query, "range", PRESET_LABELS, "")
        asked_first, asked_last = _day(query, "from"), _day(query, "to")
        if not chosen:
            chosen = "custom" if asked_first or asked_last else "30d"
        if chosen == "custom":
            first, last = _custom_days(asked_first, asked_last, today)
        else:
            first, last = today - timedelta(days=PRESETS[chosen] - 1), today
        deployment = query.get("deployment", "").replace("self_hosted", "self-hosted")
        if deployment and deployment not in DEPLOYMENTS:
            raise FilterError("deployment", f"must be one of: {', '.join(DEPLOYMENTS)}")
        organization = query.get("org", "")
        if organization and not re.fullmatch(r"[0-9a-f]{32}", organization):
            raise FilterError("org", "must be an organization's pseudonym: 32 hexadecimal digits, lower case")
        sort = query.get("sort", "")
        if sort and sort.removeprefix("-") not in SORTS:
            raise FilterError("sort", f"must be a column, with - before it for descending: {_sorts()}")
        return cls(
            range=chosen,
            first=first,
            last=last,
            today=today,
            deployment=deployment,
            organization=organization,
            include_internal=_flag(query, "internal", False),
            compare=_flag(query, "compare", True),
            activity=_choice(query, "activity", ACTIVITIES, "any"),
            definition=_choice(query, "definition", DEFINITIONS, "window"),
            metric=_choice(query, "metric", METRICS, "dau"),
            sort=sort,
        )

    @property
    def length(self) -> int:
        """Days in the range."""
        return (self.last - self.first).days + 1

    @property
    def shift(self) -> timedelta:
        """How far back the previous period lies: the range rounded up to whole weeks: weekdays match."""
        return timedelta(weeks=-(-self.length // 7))

    @property
    def previous(self) -> Self:
        """The period that this one is compared with: as long, and on the same weekdays."""
        return replace(self, range="custom", first=self.first - self.shift, last=self.last - self.shift)

    @property
    def complete(self) -> Self:
        """The same without today, which is not over. Empty (`length` 0) when the range is today alone."""
        return replace(self, range="custom", last=min(self.last, self.today - timedelta(days=1)))

    @property
    def previous_complete(self) -> Self:
        """What `complete` is compared with: its own days, shifted as `previous` is."""
        whole = self.complete
        return replace(whole, first=whole.first - self.shift, last=whole.last - self.shift)

    @property
    def unsealed(self) -> Self:
        """The days that are not sealed. Raises `FilterError` when all are."""
        if self.sealed_until is None:
            return self
        first = self.sealed_until + timedelta(days=1)
        if first > self.last:
            raise FilterError("to", f"must be {first.isoformat()} or later: of older days too little is kept")
        return replace(self, range="custom", first=first)

    @property
    def kept(self) -> Self:
        """Without sealed days if nothing that this asks for was kept of them. Raises as `unsealed` does."""
        return self.unsealed if self.organization or self.include_internal else self

    def is_sealed(self, day: date) -> bool:
        return self.sealed_until is not None and day <= self.sealed_until

    @property
    def reaches_sealed(self) -> bool:
        return self.is_sealed(self.first)

    @property
    def includes_today(self) -> bool:
        return self.last >= self.today

    # --- in words -------------------------------------------------------------------------------

    @property
    def range_label(self) -> str:
        """“Last 30 days”, or the two dates of a custom range."""
        return PRESET_LABELS[self.range] if self.range != "custom" else self.dates_label

    @property
    def dates_label(self) -> str:
        """“19 Oct to 17 Nov 2026”."""
        if self.first == self.last:
            return f"{self.last.day} {self.last:%b %Y}"
        year = "" if self.first.year == self.last.year else f" {self.first.year}"
        return f"{self.first.day} {self.first:%b}{year} to {self.last.day} {self.last:%b %Y}"

    @property
    def shift_label(self) -> str:
        """“5 weeks earlier”: the words for the previous period."""
        weeks = self.shift.days // 7
        return "1 week earlier" if weeks == 1 else f"{weeks} weeks earlier"

    @property
    def sealed_label(self) -> str:
        """“days up to 1 Oct 2025 are sealed: …”; '' where none is."""
        day = self.sealed_until
        return (
            f"days up to {day.day} {day:%b %Y} are sealed: their daily totals are kept, their people are not"
            if day
            else ""
        )

    @property
    def deployment_label(self) -> str:
        return DEPLOYMENTS.get(self.deployment, "All deployments")

    @property
    def scope(self) -> list[str]:
        """The filters in words, one phrase each, for the line under the filter bar and for print."""
        phrases = [f"{self.dates_label}, days of {report_zone_name()}"]
        if self.includes_today:
            phrases.append("today is not over and is left out of headlines")
        if self.sealed_label:
            phrases.append(self.sealed_label)
        if self.compare:
            phrases.append(f"compared with {self.shift_label}, same weekdays")
        phrases.append(self.deployment_label if self.deployment else "all deployments")
        if self.organization:
            phrases.append(f"organization {self.organization[:6]}")
        if self.activity == "login":
            phrases.append("sign-ins only")
        phrases.append("internal use included" if self.include_internal else "internal use left out")
        return phrases

    @property
    def scope_text(self) -> str:
        return " · ".join(self.scope)

    # --- in addresses ---------------------------------------------------------------------------

    def query(self, *names: str) -> dict[str, str]:
        """The parameters that say the same, defaults left out; only `names` if given."""
        said = {
            "range": "" if self.range == "30d" else self.range,
            "from": self.first.isoformat() if self.range == "custom" else "",
            "to": self.last.isoformat() if self.range == "custom" else "",
            "deployment": self.deployment,
            "org": self.organization,
            "internal": "1" if self.include_internal else "",
            "compare": "" if self.compare else "0",
            "activity": "" if self.activity == "any" else self.activity,
            "definition": "" if self.definition == "window" else self.definition,
            "metric": "" if self.metric == "dau" else self.metric,
            "sort": self.sort,
        }
        return {name: value for name, value in said.items() if value and (not names or name in names)}

    @property
    def querystring(self) -> str:
        """All parameters, for links on the same page and for exports; '' when all are at their default."""
        return urlencode(self.query())

    @property
    def navigation_querystring(self) -> str:
        """The parameters that go along from page to page."""
        return urlencode(self.query(*NAVIGATION))


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


def _sorts() -> str:
    return ", ".join(sorted(SORTS))
