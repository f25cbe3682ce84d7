"""Installations: which versions run where. Counts are of installations; there are no users in base telemetry.

Active on a day: at least one heartbeat in the 7 days that end on it. Only `range` and `deployment`
apply. Versions and platforms are those that an installation reported last.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, NamedTuple

from analytics.report_days import bounds, days_between, report_zone_name
from analytics.reports.cells import Compared, Count, Measure, ratio
from analytics.reports.filters import DEPLOYMENTS, ReportFilters
from analytics.reports.source import DEPLOYMENT, report_cursor

WINDOW_DAYS = 7
MOST_VERSIONS = 6  # in the figure; older ones are folded into one
OLDER = "Older"
NOT_REPORTED = "Not reported"


class InstallationDay(NamedTuple):
    """Active installations, in all and by version; `versions` aligns with `shown_versions`."""

    day: date
    total: Count
    versions: tuple[Count, ...]
    complete: bool


class KindRow(NamedTuple):
    """Active installations of one kind; `kind` “Other, 2 kinds” when small ones are folded together."""

    kind: str
    installations: Count
    share: Measure
    previous: Count | None  # None without `compare`


@dataclass(frozen=True, kw_only=True)
class InstallationsReport:
    filters: ReportFilters
    active: Compared  # on the last complete day
    new: Compared  # first seen in the complete days of the range
    gone_quiet: Compared  # last heard of in the range, but not in the last 7 days of it
    total: Count  # ever seen, up to the last complete day
    on_newest: Compared  # share of active ones on the newest version
    newest_version: str
    days: list[InstallationDay]
    shown_versions: list[str]  # oldest to newest, at most 6, the first may be “Older”
    versions: list[KindRow]  # newest first
    platforms: list[KindRow]
    architectures: list[KindRow]
    channels: list[KindRow]
    deployments: list[KindRow]
    long_quiet: int = field(default=0, repr=False)  # the rest of `total`; for suppression


# For each installation the days of its heartbeats, with the days until the next one: as in active users.
SPELLS = f"""
WITH beat AS (
    SELECT DISTINCT installation_id, (event."timestamp" AT TIME ZONE %(zone)s)::date AS day
      FROM analytics_installationevent AS event
     WHERE event."timestamp" >= %(since)s AND event."timestamp" < %(until)s
), spell AS (
    SELECT installation_id, day, lead(day) OVER (PARTITION BY installation_id ORDER BY day) - day AS gap
      FROM beat
)
SELECT app_version, day, least(coalesce(gap, {WINDOW_DAYS}), {WINDOW_DAYS}), count(*)
  FROM spell JOIN analytics_installation AS known ON known.id = installation_id
 WHERE {{where}} GROUP BY 1, 2, 3
"""

KINDS = f"""
SELECT app_version, platform, architecture, release_channel, {DEPLOYMENT}, count(*)
  FROM analytics_installation AS known
 WHERE {{where}} AND EXISTS (
       SELECT FROM analytics_installationevent AS event WHERE event.installation_id = known.id
          AND event."timestamp" >= %(since)s AND event."timestamp" < %(until)s)
 GROUP BY 1, 2, 3, 4, 5
"""

# Last heard of: the latest event up to the end of the days that count, not the latest of all.
LEDGER = """
SELECT count(*) FILTER (WHERE first_seen_at >= %(first_at)s),
       count(*) FILTER (WHERE heard >= %(active_since)s),
       count(*) FILTER (WHERE heard >= %(first_at)s AND heard < %(active_since)s),
       count(*)
  FROM analytics_installation AS known
  LEFT JOIN (SELECT installation_id, max("timestamp") AS heard FROM analytics_installationevent
              WHERE "timestamp" < %(until)s GROUP BY 1) AS latest ON installation_id = known.id
 WHERE {where} AND first_seen_at < %(until)s
"""


class _Ledger(NamedTuple):
    new: int
    active: int
    gone_quiet: int
    total: int


class _Kind(NamedTuple):
    """One combination of what active installations report, and how many report it."""

    version: str
    platform: str
    architecture: str
    channel: str
    deployment: str
    number: int


def installations_report(filters: ReportFilters) -> InstallationsReport:
    """The report, exact."""
    now, before = filters.complete, filters.previous_complete
    compare = filters.compare and now.length > 0
    kinds = _kinds(filters, now.last)
    kinds_before = _kinds(filters, before.last) if compare else None
    ledger = _ledger(filters, now)
    ledger_before = _ledger(filters, before) if compare else None
    counts = _daily_counts(filters)
    names = sorted({version for version, _ in counts}, key=version_key)
    shown = names if len(names) <= MOST_VERSIONS else [OLDER, *names[1 - MOST_VERSIONS :]]
    newest = _newest(names)

    def rows(of: Callable[[_Kind], str]) -> list[KindRow]:
        return _kind_rows(kinds, kinds_before, of)

    def compared(of: Callable[[_Ledger], int]) -> Compared:
        return Compared(of(ledger), of(ledger_before) if ledger_before else None)

    return InstallationsReport(
        filters=filters,
        active=compared(lambda one: one.active),
        new=compared(lambda one: one.new),
        gone_quiet=compared(lambda one: one.gone_quiet),
        total=ledger.total,
        on_newest=Compared(
            _share_on(kinds, newest), _share_on(kinds_before, newest) if kinds_before is not None else None
        ),
        newest_version=newest,
        days=[_day(filters, counts, day, names, shown) for day in days_between(filters.first, filters.last)],
        shown_versions=shown,
        versions=sorted(rows(lambda one: one.version), key=lambda row: version_key(row.kind), reverse=True),
        platforms=rows(lambda one: one.platform),
        architectures=rows(lambda one: one.architecture),
        channels=rows(lambda one: one.channel),
        deployments=rows(lambda one: DEPLOYMENTS[one.deployment]),
        long_quiet=ledger.total - ledger.active - ledger.gone_quiet,
    )


def version_key(version: str) -> tuple[tuple[int, ...], str]:
    """Orders versions by their numbers: 2.10 after 2.9; what holds no number comes first."""
    return tuple(int(digits) for digits in re.findall(r"[0-9]{1,9}", version.partition("+")[0])), version


def _newest(names: list[str]) -> str:
    return names[-1] if names else ""


def _where(filters: ReportFilters) -> tuple[str, dict[str, Any]]:
    if filters.deployment:
        return f"{DEPLOYMENT} = %(deployment)s", {"deployment": filters.deployment}
    return "TRUE", {}


def _kinds(filters: ReportFilters, last: date) -> list[_Kind]:
    """What the installations active on `last` report."""
    where, parameters = _where(filters)
    since, until = bounds(last - timedelta(days=WINDOW_DAYS - 1), last)
    with report_cursor() as cursor:
        cursor.execute(KINDS.format(where=where), parameters | {"since": since, "until": until})
        return [
            _Kind(
                version or NOT_REPORTED,
                platform or NOT_REPORTED,
                architecture or NOT_REPORTED,
                channel or NOT_REPORTED,
                deployment,
                number,
            )
            for version, platform, architecture, channel, deployment, number in cursor.fetchall()
        ]


def _ledger(filters: ReportFilters, span: ReportFilters) -> _Ledger:
    where, parameters = _where(filters)
    first_at, until = bounds(span.first, span.last)
    active_since, _ = bounds(span.last - timedelta(days=WINDOW_DAYS - 1), span.last)
    parameters |= {"first_at": first_at, "until": until, "active_since": active_since}
    with report_cursor() as cursor:
        cursor.execute(LEDGER.format(where=where), parameters)
        return _Ledger(*cursor.fetchone())


def _daily_counts(filters: ReportFilters) -> dict[tuple[str, date], int]:
    """Active installations by version and day."""
    where, parameters = _where(filters)
    since, until = bounds(filters.first - timedelta(days=WINDOW_DAYS - 1), filters.last)
    parameters |= {"since": since, "until": until, "zone": report_zone_name()}
    counts: dict[tuple[str, date], int] = defaultdict(int)
    with report_cursor() as cursor:
        cursor.execute(SPELLS.format(where=where), parameters)
        for version, day, gap, number in cursor.fetchall():
            for offset in range(gap):
                counts[version or NOT_REPORTED, day + timedelta(days=offset)] += number
    return counts


def _day(
    filters: ReportFilters, counts: dict[tuple[str, date], int], day: date, names: list[str], shown: list[str]
) -> InstallationDay:
    by_version = {name: counts.get((name, day), 0) for name in names}
    older = sum(number for name, number in by_version.items() if name not in shown)
    versions = tuple(older if name == OLDER and OLDER not in names else by_version[name] for name in shown)
    return InstallationDay(day, sum(by_version.values()), versions, day < filters.today)


def _kind_rows(
    kinds: Iterable[_Kind], before: Iterable[_Kind] | None, of: Callable[[_Kind], str]
) -> list[KindRow]:
    """Installations by one of the things they report, most first."""
    now_counts: dict[str, int] = defaultdict(int)
    before_counts: dict[str, int] = defaultdict(int)
    for kind in kinds:
        now_counts[of(kind)] += kind.number
    for kind in before or ():
        before_counts[of(kind)] += kind.number
    total = sum(now_counts.values())
    rows = [
        KindRow(
            name, number, ratio(number, total), before_counts.get(name, 0) if before is not None else None
        )
        for name, number in now_counts.items()
    ]
    return sorted(
        rows, key=lambda row: (-(row.installations if isinstance(row.installations, int) else 0), row.kind)
    )


def _share_on(kinds: list[_Kind], version: str) -> float | None:
    return ratio(
        sum(kind.number for kind in kinds if kind.version == version), sum(kind.number for kind in kinds)
    )
