"""What a report is asked for: one set of parameters for pages, API and exports."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Self
from urllib.parse import urlencode

from analytics.reports import parameters
from analytics.reports.parameters import (
    ACTIVITIES,
    DEFINITIONS,
    DEPLOYMENTS,
    METRICS,
    NAVIGATION,
    NOT_REPORTED,
    PRESET_LABELS,
    WORDS_OF_VALUES,
    FilterError,
    choice,
    flag,
    in_words,
)


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
    dimensions: tuple[tuple[str, str], ...] = ()  # each with its value; '': not reported
    compare: bool = True
    activity: str = "any"
    definition: str = "window"
    metric: str = "dau"
    sort: str = ""
    by: str = ""  # a dimension: rows are told by its values, too
    sealed_until: date | None = None  # the last sealed day, if it lies in the range
    whole_weeks: bool = False  # asked by a customer: nothing smaller than a week is shown

    @classmethod
    def from_query(
        cls,
        query: Mapping[str, str],
        *,
        today: date,
        last_sealed: date | None,
        whole_weeks: bool = False,
        dimensions: Iterable[str] = (),
    ) -> Self:
        """Read the parameters of an address; empty ones count as left out. Raises `FilterError`.

        `last_sealed` is the last day whose rows were dropped (`sealed_days.last_sealed_day`), if any was.
        `dimensions` are the names of those by which may be filtered.
        With `whole_weeks`, presets are the latest weeks that are over, and other days are refused.
        """
        days_asked = parameters.weeks_asked if whole_weeks else parameters.days_asked
        chosen, first, last = days_asked(query, today)
        asked = cls(
            whole_weeks=whole_weeks,
            range=chosen,
            first=first,
            last=last,
            today=today,
            deployment=parameters.deployment(query),
            organization=parameters.organization(query),
            sort=parameters.sort(query),
            by=choice(query, "by", dict.fromkeys(dimensions, ""), ""),
            include_internal=flag(query, "internal", False),
            dimensions=parameters.dimensions(query, dimensions),
            compare=flag(query, "compare", True),
            activity=choice(query, "activity", ACTIVITIES, "any"),
            definition=choice(query, "definition", DEFINITIONS, "window"),
            metric=choice(query, "metric", METRICS, "dau"),
        )
        return asked if last_sealed is None else asked._knowing(last_sealed)

    def _knowing(self, last_sealed: date) -> Self:
        """The same question with its sealed days; without comparison if that would reach into sealed days."""
        return replace(
            self,
            sealed_until=last_sealed if last_sealed >= self.first else None,
            compare=self.compare and self.previous.first > last_sealed,
        )

    @property
    def length(self) -> int:
        """Days in the range."""
        return (self.last - self.first).days + 1

    @property
    def shift(self) -> timedelta:
        """How far back the previous period lies: whole weeks, so that weekdays match."""
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
        complete = self.complete
        return replace(complete, first=complete.first - self.shift, last=complete.last - self.shift)

    @property
    def unsealed(self) -> Self:
        """The days that are not sealed. Raises `FilterError` when all are."""
        if self.sealed_until is None:
            return self
        first = self.sealed_until + timedelta(days=1)
        if self.whole_weeks:
            first += timedelta(days=-first.weekday() % 7)
        if first > self.last:
            raise FilterError(
                "to", f"must be {first.isoformat()} or later: older days keep too little for this report"
            )
        return replace(self, range="custom", first=first)

    @property
    def countable(self) -> Self:
        """The days with counts for this question. Sealed days have none by organization, by dimensions or
        with internal use, so such a question leaves them out. Raises `FilterError` when that leaves none.
        """
        return self.unsealed if self.is_narrow else self

    @property
    def is_narrow(self) -> bool:
        """Whether it asks for what sealed days do not keep apart."""
        return bool(self.organization or self.include_internal or self.dimensions)

    @property
    def asked(self) -> dict[str, str]:
        """The value of each dimension asked for."""
        return dict(self.dimensions)

    def by_dimensions(self, names: Collection[str]) -> Self:
        """The same question, of these dimensions alone."""
        return replace(self, dimensions=tuple(asked for asked in self.dimensions if asked[0] in names))

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
    def dimensions_label(self) -> str:
        """“, app shop-web, environment not reported”, to follow other words; '' where none is asked for."""
        return "".join(
            f", {in_words(name)} {WORDS_OF_VALUES.get(value, value)}" for name, value in self.dimensions
        )

    # --- in addresses ---------------------------------------------------------------------------

    def query(self, *names: str) -> dict[str, str]:
        """The parameters that ask the same question, without defaults; only `names` if given."""
        parameters = {
            "range": "" if self.range == "30d" else self.range,
            "from": self.first.isoformat() if self.range == "custom" else "",
            "to": self.last.isoformat() if self.range == "custom" else "",
            "deployment": self.deployment,
            "org": self.organization,
            "internal": "1" if self.include_internal else "",
            **{name: value or NOT_REPORTED for name, value in self.dimensions},
            "compare": "" if self.compare else "0",
            "activity": "" if self.activity == "any" else self.activity,
            "definition": "" if self.definition == "window" else self.definition,
            "metric": "" if self.metric == "dau" else self.metric,
            "sort": self.sort,
            "by": self.by,
        }
        return {name: value for name, value in parameters.items() if value and (not names or name in names)}

    @property
    def navigation_querystring(self) -> str:
        """The parameters that links to other pages carry along."""
        return urlencode(self.query(*NAVIGATION, *self.asked))
