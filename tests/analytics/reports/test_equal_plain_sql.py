"""Whatever happens in whatever order, every report says what plain SQL says of the rows that should count.

Beside the event tables there is a shadow copy of every row that was stored. Pruning leaves it alone;
only erasure deletes from it too. Before suppression, a report read from roll-ups equals the same
report made by SQL from the shadow. SEQUENCES=3000 makes it a long run.
"""

import os
import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import dropwhile
from zoneinfo import ZoneInfo

import pytest
from django.db import connections
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics import partitions
from analytics.erasure import run as erasure
from analytics.models import EndpointUsage, FeatureUsage, UserActivity
from analytics.report_days import day_starts_at, report_zone
from analytics.reports.active_users import active_users_report
from analytics.reports.endpoints import endpoint_report, endpoints_report
from analytics.reports.errors import errors_report
from analytics.reports.features import feature_report, features_report
from analytics.reports.filters import ReportFilters
from analytics.reports.retention import RetentionReport, retention_report
from analytics.reports.sealed_days import last_sealed_day
from analytics.reports.sessions import sessions_report
from analytics.reports.suppression import (
    suppress_endpoints,
    suppress_errors,
    suppress_features,
    suppress_timings,
)
from analytics.reports.timings import timings_report
from analytics.rollups import layout
from analytics.rollups.building import build, slicing
from analytics.rollups.dimensions_built import still_counting
from analytics.rollups.reading import cache
from analytics.rollups.reading import reader as rollups
from analytics.storage import pruning
from analytics.storage.rows import Row
from consent.decisions.recording import record_decision
from consent.decisions.tombstones import ask_for_erasure
from consent.models import (
    ConsentPeriod,
    ErasureRequest,
    Method,
    Organization,
    State,
    SubjectKind,
    TelemetryUser,
    Tombstone,
)
from consent.policies.activation import active_registry
from consent.policies.in_force import put_in_force
from consent.pseudonyms import ANONYMOUS
from consent.registry import registry
from consent.registry.registry import Registry
from tests.support import plain_sql
from tests.support.comparing import differences
from tests.support.events import months_standing
from tests.support.storing import store

pytestmark = pytest.mark.django_db(transaction=True)

TODAY = date(2025, 11, 25)  # so that everything is in the past of any clock
NOW = datetime(2025, 11, 25, 15, tzinfo=UTC)
KEPT_FROM = date(2025, 10, 1)  # events are kept for one month
KEPT_SINCE = datetime(2025, 10, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LEAD = timedelta(days=36)  # as far back as the windows of a day reach, and a day of any zone
BELOW = 3
USERS = [uuid.uuid5(uuid.NAMESPACE_OID, f"user {number}").hex for number in range(7)]
ORGANIZATIONS = [uuid.uuid5(uuid.NAMESPACE_OID, f"organization {number}").hex for number in range(2)]
DEPLOYMENTS = ("cloud", "self-hosted", "unknown")
# 25 hours on 26 October in Berlin and on 2 November in New York, 23 on 5 October in Sydney.
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Kathmandu")
DAYS = [
    *(date(2025, 9, day) for day in (3, 17, 29, 30)),
    *(date(2025, 10, day) for day in (1, 2, 4, 5, 6, 12, 25, 26, 27, 31)),
    *(date(2025, 11, day) for day in (1, 2, 3, 4, 8, *range(10, 26))),
]
MONTHS = (partitions.Month(2025, 9), partitions.Month(2025, 11))
SESSIONS = """
SELECT DISTINCT %s || left(session_id, 27) FROM shadow.analytics_user_activity
 WHERE user_id = %s AND session_id <> ''
"""
# The values that events have: the rarest become {other}, because MOST_VALUES is 2 here.
VALUES = {
    "app": ("web", "web", "desktop", "cli", "bot"),
    "app_version": ("1.0", "1.1", "2.0"),
    "environment": ("production", "production", "staging"),
}
MARKED = (("environment", "app", "app_version"), ("app",), ())  # at first, and what may become of that
TABLES = [model._meta.db_table for model in (UserActivity, FeatureUsage, EndpointUsage)]
REPORTS = {
    "active users": (active_users_report, plain_sql.active_users_report),
    "features": (features_report, plain_sql.features_report),
    "feature": (lambda asked: feature_report(asked, "a"), lambda asked: plain_sql.feature_report(asked, "a")),
    "endpoints": (endpoints_report, plain_sql.endpoints_report),
    "endpoint": (
        lambda asked: endpoint_report(asked, "/x", "GET"),
        lambda asked: plain_sql.endpoint_report(asked, "/x", "GET"),
    ),
    "retention": (
        lambda asked: retention_report(asked, now=NOW),
        lambda asked: plain_sql.retention_report(asked, now=NOW),
    ),
    "sessions": (sessions_report, plain_sql.sessions_report),
    "errors": (errors_report, plain_sql.errors_report),
    "timings": (timings_report, plain_sql.timings_report),
}

SEALED_REPORTS = {
    "features": lambda asked: suppress_features(features_report(asked, published=True)),
    "endpoints": lambda asked: suppress_endpoints(endpoints_report(asked, published=True)),
    "errors": lambda asked: suppress_errors(errors_report(asked, published=True)),
    "timings": lambda asked: suppress_timings(timings_report(asked, published=True)),
}

seeds = st.integers(0, 2**32 - 1)
subjects = st.sampled_from(
    [(SubjectKind.USER, user) for user in USERS]
    + [(SubjectKind.ORGANIZATION, organization) for organization in ORGANIZATIONS]
)
steps = st.one_of(
    st.tuples(st.just("ingest"), seeds),
    st.tuples(st.just("ingest"), seeds),
    st.tuples(st.just("send_again"), seeds),
    st.tuples(st.just("withdraw"), subjects),
    st.tuples(st.just("erase"), subjects),
    st.tuples(st.just("work_off"), st.none()),
    st.tuples(st.just("roll_up"), st.none()),
    st.tuples(st.just("prune"), st.none()),
    st.tuples(st.just("mark"), st.sampled_from(MARKED)),
    st.tuples(st.just("check"), seeds),
)


@dataclass
class World:
    """Everything that has happened so far."""

    sent: list[Row] = field(default_factory=list)
    is_pruned: bool = False
    sealed: dict[date, object] = field(default_factory=dict)
    told_of_sealed: dict[str, object] = field(default_factory=dict)
    dimensions: tuple[str, ...] = MARKED[0]

    def ingest(self, seed: int) -> None:
        chance = random.Random(seed)
        rows = [event(chance) for _ in range(chance.randint(1, 25))]
        self._store([row for row in rows if self._may_come(row)])

    def send_again(self, seed: int) -> None:
        chance = random.Random(seed)
        rows = [row for row in self.sent if self._may_come(row)]
        self._store(chance.sample(rows, min(len(rows), 10)))

    def _may_come(self, row: Row) -> bool:
        """Ingest refuses what is too old to be kept; on the rest of a sealed day nothing counts."""
        return not self.is_pruned or EPOCH + timedelta(microseconds=row.timestamp) >= open_since()

    def _store(self, rows: list[Row]) -> None:
        store(rows)
        self.sent += rows
        # Whoever was forgotten may have rows on the rest of a sealed day still.
        since = open_since() if self.is_pruned else EPOCH
        with connections["analytics"].cursor() as cursor:
            for table in TABLES:
                copy = f'INSERT INTO shadow.{table} SELECT * FROM {table} WHERE "timestamp" >= %s'
                cursor.execute(f"{copy} ON CONFLICT DO NOTHING", [since])

    def withdraw(self, subject: tuple[SubjectKind, str]) -> None:
        kind, pseudonym = subject
        record_decision(kind=kind, subject=pseudonym, state=State.DENIED, actor="test", method=Method.COMMAND)

    def erase(self, subject: tuple[SubjectKind, str]) -> None:
        kind, pseudonym = subject
        ask_for_erasure(kind=kind, pseudonym=pseudonym, actor="test", method=Method.COMMAND)
        self.work_off()

    def work_off(self, _: None = None) -> None:
        """Carry out all erasures, withdrawals too. The shadow goes first: a name is found in any table."""
        due = list(ErasureRequest.objects.exclude(state=ErasureRequest.Stage.DONE))
        with connections["analytics"].cursor() as cursor:
            for request in due:
                column = "user_id" if request.kind == SubjectKind.USER else "organization_id"
                cursor.execute(SESSIONS, [ANONYMOUS, request.pseudonym])
                names = [request.pseudonym, *(name for (name,) in cursor.fetchall())]
                for table in TABLES:
                    cursor.execute(f"DELETE FROM shadow.{table} WHERE {column} = ANY(%s)", [names])
        erasure.carry_out()

    def roll_up(self, _: None = None) -> None:
        build.roll_up()

    def mark(self, dimensions: tuple[str, ...]) -> None:
        """The operator marks other attributes as dimensions: days that stand are built again."""
        self.dimensions = dimensions
        declared = registry.load(registry.files()).attributes.values()
        marked = (replace(one, dimension=one.name in dimensions) for one in declared)
        put_in_force(Registry(marked), policy_version="1", material_since=None)
        active_registry()

    def prune(self, _: None = None) -> None:
        """Whoever was not seen since is forgotten, and may come back as somebody new."""
        build.roll_up()
        pruning.prune(now=NOW)
        self.is_pruned = True
        with connections["analytics"].cursor() as cursor:
            kept = " UNION ".join(
                f'SELECT user_id FROM {table} WHERE "timestamp" >= %(open)s' for table in TABLES
            )
            for table in TABLES:
                forget = f"DELETE FROM shadow.{table} WHERE user_id NOT IN ({kept})"
                cursor.execute(forget, {"open": open_since()})
        self._look_at_sealed_days()

    def check(self, seed: int) -> None:
        build.roll_up()
        assert still_counting() == []
        chance = random.Random(seed)
        asked = question(chance, self.is_pruned, self.dimensions)
        for name, (rolled, by_sql) in REPORTS.items():
            found = rolled(asked)
            with shadow():
                wanted = by_sql(asked)
            if name == "retention" and self.is_pruned:
                found, wanted = unsealed(found), unsealed(wanted)
            assert differences(found, wanted) == [], name
        self._look_at_sealed_days()

    def _look_at_sealed_days(self) -> None:
        """What was kept of them never changes, and no count is that of a small group."""
        with rollups.reading() as reader:
            days = reader.sealed(date(2025, 8, 1), TODAY)
        for day in days:
            assert self.sealed.setdefault(day.day, day) == day
            counts = [*day.active.values(), *day.features.values()]
            assert not any(count and count < BELOW for count in counts)
        assert len(days) == len(self.sealed)
        if days:
            query = {"from": "2025-09-01", "to": days[-1].day.isoformat(), "compare": "0"}
            asked = ReportFilters.from_query(query, today=TODAY, last_sealed=last_sealed_day())
            for name, report in SEALED_REPORTS.items():
                found = report(asked)
                assert differences(found, self.told_of_sealed.setdefault(name, found)) == [], name


def open_since() -> datetime:
    """When the first report day begins that no dropped month touches."""
    last_sealed = (KEPT_SINCE - timedelta(microseconds=1)).astimezone(report_zone()).date()
    return day_starts_at(last_sealed + timedelta(days=1))


def unsealed(report: RetentionReport) -> RetentionReport:
    """The report without cohorts that include sealed days, and without what is computed from all cohorts."""
    cohorts = [row for row in report.cohorts if row.week_start > KEPT_FROM]
    return replace(report, cohorts=list(dropwhile(lambda row: not row.users, cohorts)), averages=[])


def session(user: str, day: date) -> str:
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{user} {day}").hex


def event(chance: random.Random) -> Row:
    """Any event of anybody, on a day of DAYS, at a full minute or close to one."""
    user, day = chance.choice(USERS), chance.choice(DAYS)
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(
        minutes=chance.choice((0, 30, 1439, chance.randrange(1440))), seconds=chance.choice((0, 1, 59.999999))
    )
    table = chance.choice(("activity", "feature", "endpoint"))
    is_anonymous = table != "activity" and chance.random() < 0.2
    metadata = {name: chance.choice(values) for name, values in VALUES.items() if chance.random() < 0.8}
    if table == "activity":
        names = (chance.choice(("login", "login", "logout", "session_start")), session(user, day))
        names = (names[0], chance.choice((names[1], "")))
    elif table == "feature":
        actions = ("used", "changed", "failed", "timed")
        names = (chance.choice(("a", "b", "page_view")), chance.choice(actions))
        if chance.random() < 0.5:
            metadata |= measured(chance)
        if names[0] == "page_view" and chance.random() < 0.8:
            metadata["page.path"] = chance.choice(("/p", "/q/{id}"))
    else:
        duration = chance.choice((None, 0.0, 10.0, 20.0, 10240.0, chance.lognormvariate(4, 3)))
        status = chance.choice((None, 200, 204, 302, 404, 499, 500, 503))
        names = (chance.choice(("/x", "/y")), chance.choice(("GET", "POST")), status, duration)
        if chance.random() < 0.3:
            metadata |= measured(chance)
    return Row(
        table=table,
        id=uuid.UUID(int=chance.getrandbits(128)).bytes,
        timestamp=(moment - EPOCH) // timedelta(microseconds=1),
        user="" if is_anonymous else user,
        user_id=f"{ANONYMOUS}{session(user, day)[:27]}" if is_anonymous else user,
        organization_id=chance.choice((*ORGANIZATIONS, "") if not is_anonymous else ORGANIZATIONS),
        deployment_type=chance.choice(DEPLOYMENTS),
        is_internal=chance.random() < 0.15,
        metadata=metadata,
        names=names,
        do_not_track=False,
    )


def measured(chance: random.Random) -> dict[str, object]:
    """An error, with or without its function; a duration, with or without memory; or both."""
    told = {
        "error.type": chance.choice((None, "KeyError", "TimeoutError")),
        "code.function.name": chance.choice((None, None, "app.jobs.run")),
        "duration_ms": chance.choice((None, 0, 5, 5.5, chance.lognormvariate(4, 3))),
        "memory_mb": chance.choice((None, 12, 250.5)),
    }
    return {name: value for name, value in told.items() if value is not None}


def question(chance: random.Random, is_pruned: bool, dimensions: tuple[str, ...]) -> ReportFilters:
    """Any filters, over days that roll-ups still hold together with all that their windows need."""
    earliest = KEPT_FROM + LEAD if is_pruned else TODAY - timedelta(days=80)
    last = TODAY - timedelta(days=chance.choice((0, 0, 1, chance.randrange((TODAY - earliest).days + 1))))
    first = last - timedelta(days=chance.randrange((last - earliest).days + 1))
    query = {
        "from": first.isoformat(),
        "to": last.isoformat(),
        "deployment": chance.choice(("", "", *DEPLOYMENTS)),
        "org": chance.choice(("", "", *ORGANIZATIONS, "7" * 32)),
        "internal": chance.choice(("", "1")),
        "compare": "0" if is_pruned else chance.choice(("0", "1")),
        "activity": chance.choice(("any", "login")),
        "definition": chance.choice(("window", "login_window")),
        "metric": chance.choice(("dau", "wau", "mau")),
    }
    for name in chance.sample(dimensions, min(len(dimensions), chance.choice((0, 1, 1, 2)))):
        query[name] = chance.choice((*VALUES[name], "{none}", "{other}", "unheard of"))
    return ReportFilters.from_query(query, today=TODAY, last_sealed=None, dimensions=dimensions)


@contextmanager
def shadow() -> Iterator[None]:
    """Statements read the shadow copy."""
    with connections["analytics"].cursor() as cursor:
        cursor.execute("SET search_path TO shadow, public")
    try:
        yield
    finally:
        with connections["analytics"].cursor() as cursor:
            cursor.execute("RESET search_path")


@pytest.fixture
def tables(transactional_db, settings, monkeypatch) -> Iterator[None]:
    monkeypatch.setattr(layout, "MOST_VALUES", 2)
    monkeypatch.setattr(slicing, "MOST_VALUES", 2)
    settings.SUPPRESS_BELOW = BELOW
    settings.EVENT_RETENTION_MONTHS = 1
    with connections["analytics"].cursor() as cursor:
        cursor.execute("CREATE SCHEMA shadow")
        for table in TABLES:
            cursor.execute(f"CREATE TABLE shadow.{table} (LIKE {table} INCLUDING ALL)")
    with months_standing(*MONTHS):
        yield
    with connections["analytics"].cursor() as cursor:
        cursor.execute("DROP SCHEMA shadow CASCADE")


def begin_anew() -> None:
    """Nothing has happened yet; everybody opted in long ago."""
    cache.forget()
    partitions.ensure(*MONTHS)  # pruning has dropped some
    with connections["analytics"].cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"DELETE FROM {table}")
            cursor.execute(f"DELETE FROM shadow.{table}")
        for table in ("mark", "rolledday", "rollup", "member", "group"):
            cursor.execute(f"DELETE FROM analytics_{table}")
    for model in (ConsentPeriod, ErasureRequest, Tombstone, TelemetryUser, Organization):
        model.objects.all().delete()
    long_ago = datetime(2025, 1, 1, tzinfo=UTC)
    TelemetryUser.objects.bulk_create(TelemetryUser(pseudonym=user, state=State.GRANTED) for user in USERS)
    Organization.objects.bulk_create(
        Organization(pseudonym=organization, state=State.GRANTED) for organization in ORGANIZATIONS
    )
    ConsentPeriod.objects.bulk_create(
        ConsentPeriod(subject_kind=kind, subject=subject, state=State.GRANTED, since=long_ago)
        for kind, some in ((SubjectKind.USER, USERS), (SubjectKind.ORGANIZATION, ORGANIZATIONS))
        for subject in some
    )


@settings(
    max_examples=int(os.environ.get("SEQUENCES", "10")),
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.sampled_from(ZONES), st.lists(steps, min_size=2, max_size=14), seeds)
def test_every_report_equals_plain_sql(tables, zone, sequence, last):
    with override_settings(REPORT_TIME_ZONE=zone):
        begin_anew()
        world = World()
        world.mark(MARKED[0])
        for step, argument in [*sequence, ("check", last), ("check", last + 1)]:
            getattr(world, step)(argument)


def test_the_days_hold_what_the_zones_are_here_for():
    hours = {
        zone: {
            (datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)) + timedelta(days=1)).astimezone(
                UTC
            )
            - datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
            for day in DAYS
        }
        for zone in ZONES
    }
    assert timedelta(hours=25) in hours["Europe/Berlin"] & hours["America/New_York"]
    assert timedelta(hours=23) in hours["Australia/Sydney"]
