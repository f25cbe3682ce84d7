"""Bodies recorded from real applications: the rows that each gives, and what must not be found anywhere."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from pytest_django import Settings

from analytics import partitions
from analytics.models import EndpointUsage, FeatureUsage, Installation, InstallationEvent, UserActivity
from consent.pseudonyms import pseudonym
from ingest.otlp.status import JSON, PROTOBUF
from ingest.receive import receive
from ingest.traffic import counting
from tests.support.otlp import a_key, grant

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_back")]

BODIES = Path(__file__).parent.parent / "payloads"
NOW = datetime(2026, 11, 23, 2, tzinfo=UTC)  # an hour after they were recorded
BEFORE = datetime(2026, 11, 1, tzinfo=UTC)

# Ids, names, addresses and fingerprints in the bodies. (The user "1" is searched for as a whole value.)
MUST_NOT_BE_STORED = (
    *("a84bf89c8113ee9c", "724c10c9326cf07e", "sess-1", "5c535447", "535cd3a3", "4b3f120f", "23ac192d"),
    *("john", "bob@", "example.com", "ACME", "SECRET", "a@b.c", "Secret project", "token=", "client="),
    *("localhost", "testserver", "127.0.0.1", "Werkzeug", "http://", "d340ef35", "ffb1061c", "7ad26a93"),
)


@pytest.fixture(autouse=True)
def _keeps_the_months(settings: Settings) -> None:
    """The bodies are from November 2026: keep their month, whenever this runs."""
    partitions.ensure_for(NOW, settings.EVENT_RETENTION_MONTHS)


def send(name: str) -> tuple[int, str]:
    raw = (BODIES / name).read_bytes()
    _, key = a_key()
    signal, encoding = ("logs", JSON) if name.endswith(".json") else ("traces", PROTOBUF)
    answer = receive(signal=signal, encoding=encoding, body=raw, key=key, now=NOW)
    return answer.rejected, answer.message


def rows(model: type[Any], *names: str) -> list[tuple[Any, ...]]:
    return list(model.objects.order_by("timestamp").values_list(*names))


APP_OF_SDK = {"app": "rhesis", "service.namespace": "rhesis"}


def test_seven_spans_of_a_fastapi_backend() -> None:
    grant(user="a84bf89c8113ee9c", organization="724c10c9326cf07e", since=BEFORE)
    assert send("fastapi-001.bin") == (0, "")
    user, organization = pseudonym("user", "a84bf89c8113ee9c"), pseudonym("organization", "724c10c9326cf07e")
    session = pseudonym("session", "sess-1")
    assert rows(UserActivity, "event_type", "session_id", "event_metadata") == [
        ("login", session, APP_OF_SDK | {"login_method": "email", "auth_provider": "email"}),
        ("logout", session, APP_OF_SDK),
    ]
    assert rows(FeatureUsage, "feature_name", "action", "event_metadata") == [
        ("task", "created", APP_OF_SDK | {"entity_type": "Test"})
    ]
    assert rows(EndpointUsage, "method", "endpoint", "status_code", "duration_ms") == [
        ("POST", "/tasks/", 200, 1.8053054809570312),
        ("GET", "/tasks/{id}", 200, 1.6062259674072266),
        ("GET", "/boom", 500, 1.7144680023193359),
        ("GET", "/tasks/x", 200, 1.1048316955566406),
    ]
    for model in (UserActivity, FeatureUsage, EndpointUsage):
        assert set(rows(model, "user_id", "organization_id", "deployment_type", "is_internal")) == {
            (user, organization, "cloud", False)
        }
    assert rows(UserActivity, "timestamp")[0][0] == datetime(2026, 11, 23, 0, 56, 4, 897532, tzinfo=UTC)


def test_base_telemetry_of_a_flask_app() -> None:
    for _ in range(2):
        assert send("flask-001.json") == send("flask-002.json") == (0, "")
    (installation,) = Installation.objects.values()
    assert installation | {"id": 0} == {
        "id": 0,
        "pseudonym": pseudonym("installation", "5c535447-e9f6-4687-868a-e70fb885b757"),
        "app_version": "5.10.0",
        "platform": "Linux",
        "os_version": "6.18.44-fc-v509",
        "architecture": "x86_64",
        "locale": "",  # "unkno" is none
        "timezone": "UTC",
        "release_channel": "default",
        "deployment_type": "docker",
        "first_seen_at": datetime(2026, 11, 23, 1, 6, 9, 131537, tzinfo=UTC),
        "last_seen_at": datetime(2026, 11, 23, 1, 6, 10, 593422, tzinfo=UTC),
    }
    assert sorted(InstallationEvent.objects.values_list("name", flat=True)) == ["first_seen", "heartbeat"]
    for model in (UserActivity, FeatureUsage, EndpointUsage):
        assert not model.objects.exists()


APP = {
    "app": "timetracker",
    "app_version": "5.10.0",
    "environment": "development",
    "deployment_method": "docker",
    "device_type": "desktop",
}


def test_a_page_view_and_a_product_event_of_a_flask_app() -> None:
    grant(user="1", since=BEFORE)
    assert send("flask-004.json") == send("flask-008.json") == (0, "")
    assert rows(FeatureUsage, "feature_name", "action", "event_metadata", "user_id", "organization_id") == [
        ("page_view", "viewed", APP | {"page.path": "/dashboard"}, pseudonym("user", "1"), ""),
        ("project", "created", APP | {"has_client": True, "billable": False}, pseudonym("user", "1"), ""),
    ]
    assert set(rows(FeatureUsage, "deployment_type")) == {("unknown",)}


def test_automatic_instrumentation_of_a_flask_app(settings: Settings) -> None:
    settings.CONSENT_PROFILE_CLOUD = settings.CONSENT_PROFILE_SELF_HOSTED = "notice"
    settings.CONSENT_NOTICE_SINCE = BEFORE.isoformat()
    grant(user="1", since=BEFORE)
    assert send("flask-006.bin") == (0, "")
    metadata = {"app": "timetracker", "app_version": "5.10.0", "environment": "development"}
    assert rows(UserActivity, "event_type", "user_id", "session_id", "event_metadata") == [
        ("login", pseudonym("user", "1"), "", metadata)
    ]
    assert rows(
        EndpointUsage, "endpoint", "method", "status_code", "duration_ms", "user_id", "event_metadata"
    ) == [("/login", "POST", 302, 50.301991, "anon:" + "0" * 27, metadata)]


def test_with_nothing_granted_only_base_telemetry_is_kept() -> None:
    refused = {name: send(name)[0] for name in sorted(path.name for path in BODIES.glob("f*"))}
    assert refused == {
        "fastapi-001.bin": 7,
        "flask-001.json": 0,
        "flask-002.json": 0,
        "flask-004.json": 1,
        "flask-006.bin": 2,
        "flask-008.json": 1,
    }
    for model in (UserActivity, FeatureUsage, EndpointUsage):
        assert not model.objects.exists()


def test_with_everything_granted_no_table_holds_what_must_not_be_stored(settings: Settings) -> None:
    settings.CONSENT_PROFILE_CLOUD = settings.CONSENT_PROFILE_SELF_HOSTED = "notice"
    settings.CONSENT_NOTICE_SINCE = BEFORE.isoformat()
    for user in ("a84bf89c8113ee9c", "1"):
        grant(user=user, since=BEFORE)
    grant(organization="724c10c9326cf07e", since=BEFORE)
    for path in BODIES.glob("f*"):
        assert send(path.name) == (0, "")
    counting.flush()
    dumped = list(every_value())
    text = "\n".join(dumped)
    assert "/tasks/{id}" in text  # the dump does hold what is stored
    assert "5.10.0" in text
    assert [found for found in MUST_NOT_BE_STORED if found.lower() in text.lower()] == []
    assert '"1"' not in text


TABLES = """
SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
"""


def every_value() -> Iterator[str]:
    """All rows of all tables of both databases, as text."""
    for alias in ("default", "analytics"):
        with connections[alias].cursor() as cursor:
            cursor.execute(TABLES)
            for (table,) in cursor.fetchall():
                cursor.execute(f'SELECT t::text FROM "{table}" t')
                yield from (row for (row,) in cursor.fetchall())
