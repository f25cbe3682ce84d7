"""Installations by what they report and when they were last heard of, read for their report."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any, NamedTuple

from django.db.backends.utils import CursorWrapper

from analytics.report_days import bounds, report_zone_name
from analytics.reports.filters import ReportFilters
from analytics.rollups.layout import DEPLOYMENT
from analytics.rollups.reading.reader import TIMEOUT_SECONDS, ReportTimedOut
from postgres.timeouts import time_limited_cursor

WINDOW_DAYS = 7
WORK_MEMORY_MB = 64


NOT_REPORTED = "Not reported"
INSTALLATION_DIMENSIONS = ("app_version", "platform")  # columns of an installation that filters know
REPORTED = """
SELECT app_version, platform, count(*) FROM analytics_installation GROUP BY 1, 2
"""


# The days of each installation's base events, each with the number of days until the next one.
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


# `heard`: the latest event before the end of the span, not the latest of all.
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


class InstallationLedger(NamedTuple):
    new: int
    active: int
    gone_quiet: int
    total: int


class InstallationKind(NamedTuple):
    """One combination of what active installations report, and how many report it."""

    version: str
    platform: str
    architecture: str
    channel: str
    deployment: str
    number: int


def _where(filters: ReportFilters) -> tuple[str, dict[str, Any]]:
    conditions = ["TRUE"]
    parameters = dict(filters.by_dimensions(INSTALLATION_DIMENSIONS).dimensions)
    conditions += [f"{name} = %({name})s" for name in parameters]
    if filters.deployment:
        conditions.append(f"{DEPLOYMENT} = %(deployment)s")
        parameters["deployment"] = filters.deployment
    return " AND ".join(conditions), parameters


def read_reported() -> dict[str, list[str]]:
    """The values of `INSTALLATION_DIMENSIONS` that installations reported last, the most frequent first."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in INSTALLATION_DIMENSIONS}
    with _report_cursor() as cursor:
        cursor.execute(REPORTED)
        for *values, number in cursor.fetchall():
            for name, value in zip(INSTALLATION_DIMENSIONS, values, strict=True):
                counts[name][value] += number
    return {name: [value for value, _ in of_name.most_common()] for name, of_name in counts.items()}


def read_kinds(filters: ReportFilters, last: date) -> list[InstallationKind]:
    """What the installations active on `last` report."""
    where, parameters = _where(filters)
    since, until = bounds(last - timedelta(days=WINDOW_DAYS - 1), last)
    with _report_cursor() as cursor:
        cursor.execute(KINDS.format(where=where), parameters | {"since": since, "until": until})
        return [
            InstallationKind(
                version or NOT_REPORTED,
                platform or NOT_REPORTED,
                architecture or NOT_REPORTED,
                channel or NOT_REPORTED,
                deployment,
                number,
            )
            for version, platform, architecture, channel, deployment, number in cursor.fetchall()
        ]


def read_ledger(filters: ReportFilters, span: ReportFilters) -> InstallationLedger:
    where, parameters = _where(filters)
    first_at, until = bounds(span.first, span.last)
    active_since, _ = bounds(span.last - timedelta(days=WINDOW_DAYS - 1), span.last)
    parameters |= {"first_at": first_at, "until": until, "active_since": active_since}
    with _report_cursor() as cursor:
        cursor.execute(LEDGER.format(where=where), parameters)
        return InstallationLedger(*cursor.fetchone())


def read_days(filters: ReportFilters) -> dict[tuple[str, date], int]:
    """Active installations by version and day."""
    where, parameters = _where(filters)
    since, until = bounds(filters.first - timedelta(days=WINDOW_DAYS - 1), filters.last)
    parameters |= {"since": since, "until": until, "zone": report_zone_name()}
    counts: dict[tuple[str, date], int] = defaultdict(int)
    with _report_cursor() as cursor:
        cursor.execute(SPELLS.format(where=where), parameters)
        for version, day, gap, number in cursor.fetchall():
            for offset in range(gap):
                counts[version or NOT_REPORTED, day + timedelta(days=offset)] += number
    return counts


@contextmanager
def _report_cursor() -> Iterator[CursorWrapper]:
    """A cursor for statements that read rows, with the time limit of reports. Raises `ReportTimedOut`."""
    with time_limited_cursor("analytics", f"{TIMEOUT_SECONDS}s", ReportTimedOut) as cursor:
        cursor.execute(f"SET LOCAL work_mem = '{WORK_MEMORY_MB}MB'")
        cursor.execute("SET LOCAL jit = off")  # compiling took longer than it saved
        yield cursor
