"""What every test may rely on: both databases, nothing left by another test, a browser if there is one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import hypothesis
import pytest
import redis
from django.conf import settings
from django.db import connections
from django.test import override_settings
from pytest_django import DjangoDbBlocker, Settings
from whitenoise.middleware import WhiteNoiseMiddleware

from analytics.rollups.reading import cache
from analytics.storage import seen_with
from consent.policies import event_lifetime
from consent.registry import registry
from tests.support import installing
from tests.support.databases import connected, databases
from tests.support.needed import needed
from tests.support.restoring import restoring

DATABASES = ["default", "analytics"]
COMMITTING_FIXTURES = {"transactional_db", "live_server"}
DATABASE_FIXTURES = COMMITTING_FIXTURES | {"db", "admin_client", "admin_user"}

# Files that start whole programs or a browser: begun first, they do not keep one worker busy at the end.
LONG_FIRST = (
    "tests/faults/",
    "tests/analytics/heartbeats/test_two_instances.py",
    "tests/analytics/reports/test_equal_plain_sql.py",
    "tests/analytics/test_demo.py",
    "tests/browser/",
    "tests/ingest/frameworks/",
    "tests/ingest/grpc/",
    "tests/ingest/load/",
    "tests/ingest/test_withdrawal.py",
    "tests/telemetry_site/",
)

# A busy machine is no failure.
hypothesis.settings.register_profile(
    "candid", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("candid")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Open both databases to every test that opens one: most of what we do touches both."""
    leave_proofs_out(config, items)
    items.sort(key=lambda item: not item.nodeid.startswith(LONG_FIRST))
    for item in items:
        marker = item.get_closest_marker("django_db")
        if marker is None and not DATABASE_FIXTURES & set(getattr(item, "fixturenames", ())):
            continue
        options = {"databases": DATABASES} | (marker.kwargs if marker else {})
        item.add_marker(pytest.mark.django_db(*(marker.args if marker else ()), **options), append=False)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Give a case the same name in every worker: gzip holds the time, and some texts are today's."""
    if isinstance(val, bytes) and b"\x1f\x8b" in val:
        return argname
    if isinstance(val, str) and f"{datetime.now(UTC):%Y-%m-%d}" in val:
        return argname
    return None


def leave_proofs_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the long tests that `make proofs` runs, unless asked for by `--proofs` or by their name."""
    if config.getoption("--proofs") or any("::" in argument for argument in config.args):
        return
    proofs = [item for item in items if item.get_closest_marker("proof")]
    if proofs:
        config.hook.pytest_deselected(items=proofs)
        items[:] = [item for item in items if item not in proofs]


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Two databases of this worker, which each test that commits leaves as `migrate` made them."""
    with django_db_blocker.unblock(), databases(migrated=True) as names, connected(names), restoring():
        yield


@pytest.fixture(autouse=True)
def _no_registry_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_current", registry._current)


@pytest.fixture(autouse=True)
def _nothing_remembered_of_another_test() -> None:
    cache.forget()
    event_lifetime.forget()
    seen_with.forget()


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
def _hash_passwords_quickly() -> Iterator[None]:
    """With one round, which every process checks as it checks a million."""
    hasher = "tests.support.passwords.OneRound"
    with override_settings(PASSWORD_HASHERS=[hasher, *settings.PASSWORD_HASHERS]):
        yield


@pytest.fixture(autouse=True, scope="session")
def _look_for_static_files_once() -> Iterator[None]:
    """Every test client makes the middleware anew, and it looks at some two hundred files."""
    look, files = WhiteNoiseMiddleware.add_files_from_finders, {}

    def look_once(middleware: WhiteNoiseMiddleware) -> None:
        if not files:
            look(middleware)
            files.update(middleware.files)
        middleware.files.update(files)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", look_once)
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
    return os.environ.get("CHROMIUM") or needed(*names)


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The folder of `tests/node/package.json`, its packages installed; without npm the test is skipped."""
    return installing.node_modules()
