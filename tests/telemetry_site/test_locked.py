"""`/ready` and `/metrics` while somebody holds a lock on what they read: both answer, and no thread hangs."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from django.db import connections
from django.test import Client

from telemetry_site import health

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _runs_of_jobs_are_locked(transactional_db: None) -> Iterator[None]:
    health._looks.clear()
    with closing(connections["analytics"].copy()) as another:
        another.cursor().execute("BEGIN")
        another.cursor().execute("LOCK TABLE analytics_jobrun IN ACCESS EXCLUSIVE MODE")
        yield
        another.cursor().execute("ROLLBACK")
    for look in health._looks.values():
        look.done.wait(10)


def test_ready_says_what_does_not_answer_and_what_does(client: Client) -> None:
    answer = client.get("/ready")
    assert answer.status_code == 503
    parts = answer.json()["parts"]
    assert parts["beat"].startswith("does not answer")
    assert (parts["database"], parts["analytics_database"], parts["partitions"]) == ("ok", "ok", "ok")
    assert health._looks["analytics"].done.wait(15), "the look waits for the lock without an end"


def test_metrics_come_without_what_is_locked(client: Client) -> None:
    with ThreadPoolExecutor(1) as pool:
        body = pool.submit(lambda: client.get("/metrics").content.decode()).result(30)
    assert 'candid_part_ready{part="analytics_database"} 1.0' in body
    assert 'candid_part_ready{part="beat"} 0.0' in body
    assert "candid_job_last_success_timestamp_seconds" not in body
