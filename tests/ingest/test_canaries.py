"""Canaries planted in random payloads are in no dump. At full size: `python -m benchmarks.canaries`."""

from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client

from consent.registry.registry import current_registry
from ingest.traffic import counting
from tests.support.canaries.payloads import USERS, Payloads
from tests.support.canaries.search import dumped, in_redis, search
from tests.support.faults.records import JSON, ORGANIZATION, PROTOBUF, TABLES
from tests.support.otlp import a_key, grant, post

pytestmark = pytest.mark.django_db(transaction=True)

PAYLOADS = 400


def stored_keys() -> set[str]:
    found = set()
    with connections["analytics"].cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT DISTINCT jsonb_object_keys(event_metadata) FROM {table}")
            found |= {key for (key,) in cursor.fetchall()}
    return found


def test_nothing_that_was_planted_is_in_a_dump_of_the_databases_in_redis_or_in_the_log(
    client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    key, _ = a_key()
    grant(organization=ORGANIZATION)
    for user in (*USERS, *(f"faults-user-{number}" for number in range(40))):
        grant(user=user)
    payloads = Payloads(seed=4)

    for number in range(PAYLOADS):
        payload = payloads.next()
        body, kind = (payload.json, JSON) if number % 2 else (payload.protobuf, PROTOBUF)
        assert post(client, f"/v1/{payload.signal}", body, key, content_type=kind).status_code == 200
    counting.flush()

    found = search(in_redis(settings.REDIS_URL)) + search([("the log", caplog.text.encode())])
    for alias in ("default", "analytics"):
        found += search(dumped(connections[alias].get_connection_params(), tmp_path / alias))
    assert found.canaries == []
    assert found.harmless > 0
    assert stored_keys()
    assert stored_keys() <= set(current_registry().attributes)
