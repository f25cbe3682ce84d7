"""What every test may rely on: both databases, nothing left by another test, a browser if there is one."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import hypothesis
import pytest
import redis
from django.db import OperationalError, connections
from django.db.backends.postgresql.operations import DatabaseOperations
from pytest_django import DjangoDbBlocker, Settings

from analytics.rollups.reading import cache
from consent.policies import event_lifetime
from consent.registry import registry
from postgres.errors import DEADLOCK_DETECTED, sqlstate

DATABASES = ["default", "analytics"]
APPEND_ONLY = ("consent_decision", "consent_decisionhead", "consent_policyversion", "consent_subjectview")
ALWAYS_THE_SAME = {"django_content_type", "auth_permission"}
COMMITTING_FIXTURES = {"transactional_db", "live_server"}
DATABASE_FIXTURES = COMMITTING_FIXTURES | {"db", "admin_client", "admin_user"}

# A busy machine is no failure.
hypothesis.settings.register_profile(
    "candid", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("candid")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Open both databases to every test that opens one: most of what we do touches both."""
    for item in items:
        marker = item.get_closest_marker("django_db")
        if marker is None and not DATABASE_FIXTURES & set(getattr(item, "fixturenames", ())):
            continue
        options = {"databases": DATABASES} | (marker.kwargs if marker else {})
        item.add_marker(pytest.mark.django_db(*(marker.args if marker else ()), **options), append=False)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Let tests be cleaned up: what is append-only may be truncated in the database of this run.

    Changes and deletions are refused here, too; and nobody but its owner can do this to a table.
    """
    with django_db_blocker.unblock(), connections["default"].cursor() as cursor:
        for table in APPEND_ONLY:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER no_truncate")


@pytest.fixture(autouse=True)
def _no_registry_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_current", registry._current)


@pytest.fixture(autouse=True)
def _nothing_remembered_of_another_test() -> None:
    cache.forget()
    event_lifetime.forget()


@pytest.fixture(autouse=True)
def _no_thread_writes_after_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traffic counts are written when a test says so: the thread would write them into the next test."""
    from ingest.traffic import counting

    monkeypatch.setattr(counting, "_ensure_started", lambda: None)
    counting._waiting.clear()


@pytest.fixture(autouse=True)
def _the_store_commits_nothing_that_a_test_rolls_back(request: pytest.FixtureRequest) -> None:
    """Begin the test's transaction before the store does: psycopg would commit one that it began itself."""
    marker = request.node.get_closest_marker("django_db")
    if marker is None or COMMITTING_FIXTURES & set(request.fixturenames):
        return
    if not (marker.kwargs.get("transaction") or (marker.args and marker.args[0])):
        request.getfixturevalue("db")
        connections["analytics"].cursor().execute("SELECT 1")


@pytest.fixture(autouse=True, scope="session")
def _empty_the_tables_again_after_a_deadlock() -> Iterator[None]:
    """A receiver in a process of its own writes its counts when it likes, also while a test is cleaned up.

    The decision log begins anew, with a signed head.
    """
    from consent.decisions import log

    empty = DatabaseOperations.execute_sql_flush

    def patiently(operations: DatabaseOperations, statements: list[str]) -> None:
        for attempt in range(5):
            try:
                empty(operations, statements)
                if operations.connection.alias == "default":
                    log.begin()
                return
            except OperationalError as error:
                if sqlstate(error) != DEADLOCK_DETECTED or attempt == 4:
                    raise
        raise AssertionError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "execute_sql_flush", patiently)
        yield


@pytest.fixture(autouse=True, scope="session")
def _empty_only_what_holds_rows() -> Iterator[None]:
    """Emptying a table costs the same when it is empty, and there are hundreds, partitions included.

    Content types and permissions are the same for every test, and stay.
    """
    sql_flush = DatabaseOperations.sql_flush

    def of_those_with_rows(
        operations: DatabaseOperations, style: object, tables: list[str], **options: bool
    ) -> list[str]:
        looked_at = sorted({*tables} - ALWAYS_THE_SAME)
        questions = [f"SELECT '{table}' WHERE EXISTS (SELECT FROM \"{table}\")" for table in looked_at]
        with operations.connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(questions))
            full = [table for (table,) in cursor.fetchall()]
        return sql_flush(operations, style, full, **options | {"allow_cascade": True})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "sql_flush", of_those_with_rows)
        yield


@pytest.fixture
def rolled_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads roll-ups finds them made of all that a test has written, past the store too.

    As if the job, which looks every 20 seconds, had just done so.
    """
    from analytics.rollups.reading import reader as rollups
    from tests.support.rolling import roll_up

    reading, is_made = rollups.reading, [False]

    @contextmanager
    def made_and_read() -> Iterator[rollups.Reader]:
        if not is_made[0]:
            roll_up()
        before, is_made[0] = is_made[0], True
        try:
            with reading() as reader:
                yield reader
        finally:
            is_made[0] = before

    monkeypatch.setattr(rollups, "reading", made_and_read)


@pytest.fixture
def unspent(settings: Settings) -> Iterator[None]:
    """Nothing is counted towards a limit of `consent/api/rate_limits.py` that another test has spent."""
    from consent.api import rate_limits

    def forget() -> None:
        connection = redis.Redis.from_url(settings.REDIS_URL)
        for name in connection.scan_iter("candid:limit:*"):
            connection.delete(name)
        rate_limits._connection.cache_clear()

    forget()
    yield
    rate_limits._connection.cache_clear()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of an installed Chromium; without one the test is skipped, or fails where CI=1."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        reason = "no Chromium is installed (apt-get install chromium, or set CHROMIUM)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path
