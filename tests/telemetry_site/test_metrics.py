"""`/metrics` of one process; `test_counting.py` has those of many."""

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from analytics.jobs import runs
from telemetry_site import health
from tests.support.otlp import a_key, grant, log, logs, post

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> None:
    health._looks.clear()


def samples(client: Client) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.content.decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def value(found: dict, name: str, **labels: str) -> float:
    return found.get((name, tuple(sorted(labels.items()))), 0.0)


def test_a_request_is_measured(client: Client) -> None:
    before = samples(client)
    grant(user="u1")
    text, _ = a_key()
    body = logs(log("a.b", attributes={"user.id": "u1"}), log("a.b"))
    assert post(client, "/v1/logs", body, text).status_code == 200
    assert post(client, "/v1/logs", b"{", text).status_code == 400
    after = samples(client)

    def more(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert more("candid_requests_total", signal="logs", transport="http", status="200") == 1
    assert more("candid_requests_total", signal="logs", transport="http", status="400") == 1
    assert more("candid_request_duration_seconds_count", signal="logs", transport="http") == 2
    assert more("candid_records_total", signal="logs", outcome="accepted", reason="") == 1
    assert more("candid_records_total", signal="logs", outcome="refused", reason="names_nobody") == 1
    assert more("candid_records_total", signal="logs", outcome="rejected", reason="malformed") == 1
    assert more("candid_received_bytes_total", transport="http") > 100
    assert value(after, "candid_requests_in_flight", transport="http") == 0
    assert more("candid_bytes_in_flight") == 0


def test_compressed_bytes_are_told_apart(client: Client) -> None:
    import gzip

    before = samples(client)
    text, _ = a_key()
    raw = gzip.compress(b'{"resourceLogs": []}' + b" " * 10_000)
    post(client, "/v1/logs", raw, text, **{"Content-Encoding": "gzip"})
    after = samples(client)
    wire, inflated = (
        value(after, name, transport="http") - value(before, name, transport="http")
        for name in ("candid_received_bytes_total", "candid_inflated_bytes_total")
    )
    assert (wire, inflated) == (len(raw), 10_020)


def test_parts_and_jobs_are_shown(client: Client) -> None:
    runs.note_beat(timezone.now())
    run = runs.run_job("prune", lambda: "Pruned.")
    found = samples(client)
    assert run.ended_at
    assert value(found, "candid_job_last_success_timestamp_seconds", job="prune") == pytest.approx(
        run.ended_at.timestamp(), abs=0.001
    )
    assert value(found, "candid_job_last_success_timestamp_seconds", job="beat") > 0
    assert all(value(found, "candid_part_ready", part=part) == 1 for part in health.PARTS)
    assert [name for name, _ in found if name == "candid_process_resident_memory_bytes"]


def test_a_database_error_is_counted(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError

    def away(*_: object) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr("ingest.http.rules.authenticate", away)
    before = samples(client)
    assert post(client, "/v1/logs", b"{}", "key").status_code == 503
    labels = {"during": "ingest", "sqlstate": "connection"}
    assert value(samples(client), "candid_database_errors_total", **labels) == 1 + value(
        before, "candid_database_errors_total", **labels
    )


def test_with_a_token_set_it_is_needed(client: Client, settings: Settings) -> None:
    settings.OPERATOR_TOKEN = "a-token-of-the-operators-of-this-instance"
    answer = client.get("/metrics")
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert b"candid_" not in answer.content
    shown = client.get(
        "/metrics", headers={"Authorization": "Bearer a-token-of-the-operators-of-this-instance"}
    )
    assert shown.status_code == 200
