"""Runs every report for several ranges and filters, from roll-ups and in plain SQL."""

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import numpy as np
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from django.urls import reverse

from analytics.models import Group, Mark, Member, RolledDay, RollUp
from analytics.reports import (
    active_users,
    catalogue,
    endpoints,
    errors,
    features,
    retention,
    sessions,
    suppression,
    timings,
)
from analytics.reports.dimensions import dimension_names
from analytics.reports.filters import ReportFilters
from analytics.reports.segments import TooFewPeople
from tests.support import plain_sql
from tests.support.comparing import differences

RANGES = ("30d", "90d", "12m")
FEATURE, ENDPOINT = "feature-03", ("/api/v1/resources-03/{id}", "POST")
RANDOM_FILTERS = 3
BY_DIMENSIONS: tuple[dict[str, str], ...] = (
    {"app": "shop-web"},
    {"app": "till", "app_version": "5.10.0"},
    {"environment": "production", "platform": "Windows"},
)
SEED = 5


class Report(NamedTuple):
    """A report, from roll-ups, as it is shown, and in plain SQL. Each question gets its `filters`, too.

    Shown reports are timed; exact ones are compared with plain SQL.
    """

    rolled: Callable[[ReportFilters], Any]
    shown: Callable[[ReportFilters], Any]
    plain_sql: Callable[[ReportFilters], Any]
    filters: dict[str, str] = {}


def _shown(suppress: Callable[[Any], Any], report: Any) -> Any:
    return None if report is None else suppress(report)


REPORTS = {
    "active users": Report(
        active_users.active_users_report, catalogue.ACTIVE_USERS.shown, plain_sql.active_users_report
    ),
    "features": Report(features.features_report, catalogue.FEATURES.shown, plain_sql.features_report),
    "feature": Report(
        lambda asked: features.feature_report(asked, FEATURE),
        lambda asked: _shown(
            suppression.suppress_feature, features.feature_report(asked, FEATURE, published=True)
        ),
        lambda asked: plain_sql.feature_report(asked, FEATURE),
    ),
    "endpoints": Report(endpoints.endpoints_report, catalogue.ENDPOINTS.shown, plain_sql.endpoints_report),
    "endpoint": Report(
        lambda asked: endpoints.endpoint_report(asked, *ENDPOINT),
        lambda asked: _shown(
            suppression.suppress_endpoint, endpoints.endpoint_report(asked, *ENDPOINT, published=True)
        ),
        lambda asked: plain_sql.endpoint_report(asked, *ENDPOINT),
    ),
    "errors": Report(errors.errors_report, catalogue.ERRORS.shown, plain_sql.errors_report),
    "timings": Report(timings.timings_report, catalogue.TIMINGS.shown, plain_sql.timings_report),
    "retention": Report(retention.retention_report, catalogue.RETENTION.shown, plain_sql.retention_report),
    "sign-ins again": Report(
        retention.retention_report,
        catalogue.RETENTION.shown,
        plain_sql.retention_report,
        {"definition": "login_window"},
    ),
    "sessions": Report(
        sessions.sessions_report,
        lambda asked: _shown(suppression.suppress_sessions, sessions.sessions_report(asked)),
        plain_sql.sessions_report,
    ),
}


@dataclass(frozen=True)
class Timed:
    """One report, one range, one filter. Milliseconds; `plain_ms` None where it was not asked for.

    `first_ms`: the first time after the last day was built anew; nothing counted with it is remembered then.
    """

    report: str
    range: str
    filters: str
    first_ms: float
    rolled_ms: float
    slowest_ms: float
    plain_ms: float | None
    differences: list[str]


def measure(
    today: date, *, reports: list[str], ranges: list[str], runs: int, plain_runs: int
) -> Iterator[Timed]:
    """Run each report `runs` times after a warm-up, and `plain_runs` times in plain SQL. Yields medians."""
    for name in reports:
        report = REPORTS[name]
        for chosen in ranges:
            for words, query in questions():
                asked = ReportFilters.from_query(
                    query | report.filters | {"range": chosen},
                    today=today,
                    last_sealed=None,
                    dimensions=dimension_names(),
                )
                (first_ms,) = _times_shown(report.shown, asked, 1, after=build_last_day_anew)
                times = _times_shown(report.shown, asked, runs)
                found = report.rolled(asked)
                plain_ms, wrong = None, []
                if plain_runs:
                    plain_times, wanted = _times(report.plain_sql, asked, plain_runs, warm=False)
                    plain_ms, wrong = statistics.median(plain_times), differences(found, wanted)
                timed = first_ms, statistics.median(times), max(times), plain_ms
                yield Timed(name, chosen, words, *timed, wrong)


NEW_VERSION = """
UPDATE analytics_rolledday SET version = nextval('analytics_rollup_version')
 WHERE day = (SELECT max(day) FROM analytics_rolledday WHERE events > 0)
"""


def build_last_day_anew() -> None:
    """As if the job had built the last day again: what is remembered of it, or with it, is out of date."""
    with connections["analytics"].cursor() as cursor:
        cursor.execute(NEW_VERSION)


def _times_shown(
    function: Callable[[ReportFilters], Any],
    asked: ReportFilters,
    runs: int,
    *,
    after: Callable[[], None] = lambda: None,
) -> list[float]:
    """How long a report takes, warm or `after` something; also where it refuses an organization of few."""

    def ask(filters: ReportFilters) -> Any:
        with contextlib.suppress(TooFewPeople):
            return function(filters)

    ask(asked)
    after()
    return _times(ask, asked, runs, warm=False)[0]


def _times(
    function: Callable[[ReportFilters], Any], asked: ReportFilters, runs: int, *, warm: bool = True
) -> tuple[list[float], Any]:
    found = function(asked) if warm else None
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        found = function(asked)
        times.append(1000 * (time.perf_counter() - began))
    return times, found


LARGEST = """
SELECT organization_id FROM analytics_endpoint_usage WHERE NOT is_internal GROUP BY 1 ORDER BY count(*) DESC
"""


def questions() -> Iterator[tuple[str, dict[str, str]]]:
    """The filters to try, in words and as parameters: none, the largest organization, dimensions, others at
    random."""
    with connections["analytics"].cursor() as cursor:
        cursor.execute(LARGEST)
        organizations = [row[0] for row in cursor.fetchall()]
    yield "none", {}
    yield "largest organization", {"org": organizations[0]}
    for by_dimensions in BY_DIMENSIONS:
        yield ", ".join(f"{name}={value}" for name, value in by_dimensions.items()), by_dimensions
    yield "largest organization, app", {"org": organizations[0], "app": "shop-web"}
    random = np.random.default_rng(SEED)
    for number in range(RANDOM_FILTERS):
        query = {
            "deployment": str(random.choice(["", "cloud", "self-hosted"])),
            "internal": str(random.choice(["", "1"])),
            "activity": str(random.choice(["any", "login"])),
            "org": str(random.choice(organizations)) if number == 1 else "",
        }
        yield ", ".join(f"{key}={value[:6]}" for key, value in query.items() if value) or "none", query


def measure_pages(runs: int, ranges: list[str]) -> Iterator[tuple[str, str, float, float, int]]:
    """Each report's page for each range: median and slowest in milliseconds, and its size in bytes.

    Whole requests through Django's own client: sign-in, report, suppression, figures, template.
    """
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.get_or_create(username="benchmark", is_staff=True)[0])
    endpoint = dict(zip(("endpoint", "method"), ENDPOINT, strict=True))
    for page, parts, query in (
        ("overview", {}, {}),
        ("active-users", {}, {}),
        ("features", {}, {}),
        ("features", {}, {"app": "shop-web"}),
        ("feature", {"name": FEATURE}, {}),
        ("endpoints", {}, {}),
        ("endpoint", {}, endpoint),
        ("errors", {}, {}),
        ("timings", {}, {}),
        ("retention", {}, {}),
    ):
        for chosen in ranges:
            address = reverse(f"dashboards:{page}", kwargs=parts)
            times, size = [], 0
            for _ in range(runs + 1):
                began = time.perf_counter()
                response = client.get(address, query | {"range": chosen})
                times.append(1000 * (time.perf_counter() - began))
                if response.status_code != 200:
                    raise SystemExit(f"{address} answered {response.status_code}")
                size = len(response.content)
            yield page, chosen, statistics.median(times[1:]), max(times[1:]), size


SIZES = """
SELECT sum(pg_total_relation_size(oid)) FILTER (WHERE relname ~ '^analytics_.*_p[0-9]{4}_[0-9]{2}$'),
       sum(pg_total_relation_size(oid)) FILTER (WHERE relname = ANY(%s))
  FROM pg_class WHERE relkind = 'r'
"""


def sizes() -> tuple[int, int]:
    """Bytes on disk, indexes included: of the event tables, and of the roll-ups."""
    tables = [model._meta.db_table for model in (Mark, RolledDay, RollUp, Group, Member)]
    with connections["analytics"].cursor() as cursor:
        cursor.execute(SIZES, [tables])
        rows, rolled = cursor.fetchone()
    return int(rows), int(rolled or 0)
