"""Metrics of one request, and of processes that have ended."""

import os
import subprocess
import sys
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from ingest.traffic import prometheus
from ingest.traffic.prometheus import RequestMeasure

ROOT = Path(__file__).parents[3]
ENDED = """
from ingest.traffic import prometheus
prometheus.note_start()
prometheus.RequestMeasure("http", "logs").took(5, 7)
prometheus.count_records("logs", "accepted", "", 3)
"""


def figure(name: str, **labels: str) -> float:
    return prometheus._own.get_sample_value(name, labels) or 0


def in_flight() -> tuple[float, float]:
    return figure("candid_requests_in_flight", transport="grpc"), figure("candid_bytes_in_flight")


def test_a_request_is_in_flight_until_it_ended_and_then_counted() -> None:
    before, labels = in_flight(), {"signal": "logs", "transport": "grpc"}
    requests = figure("candid_requests_total", status="OK", **labels)
    seconds = figure("candid_request_duration_seconds_count", **labels)
    received = figure("candid_received_bytes_total", transport="grpc")
    inflated = figure("candid_inflated_bytes_total", transport="grpc")
    measure = RequestMeasure("grpc", "logs")
    measure.took(5, 70)
    assert in_flight() == (before[0] + 1, before[1] + 70)
    measure.ended("OK")
    assert in_flight() == before
    assert figure("candid_requests_total", status="OK", **labels) == requests + 1
    assert figure("candid_request_duration_seconds_count", **labels) == seconds + 1
    assert figure("candid_received_bytes_total", transport="grpc") == received + 5
    assert figure("candid_inflated_bytes_total", transport="grpc") == inflated + 70


def test_what_arrives_for_a_client_that_has_gone_is_not_in_flight() -> None:
    before = in_flight()
    measure = RequestMeasure("grpc", "logs")
    measure.ended("CANCELLED")
    measure.took(5, 70)
    assert in_flight() == before


def test_a_client_that_goes_while_its_body_is_counted_leaves_nothing_in_flight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, measure = in_flight(), RequestMeasure("grpc", "logs")
    goes, count = Thread(target=measure.ended, args=("CANCELLED",)), prometheus.BYTES_UNDER_WAY.inc

    def count_while_it_goes(amount: float) -> None:
        goes.start()
        goes.join(0.2)
        count(amount)

    monkeypatch.setattr(prometheus.BYTES_UNDER_WAY, "inc", count_while_it_goes)
    measure.took(5, 70)
    goes.join()
    assert in_flight() == before


@pytest.mark.parametrize(
    ("error", "state"),
    [(psycopg.errors.AdminShutdown(), "57P01"), (psycopg.OperationalError(), "connection")],
)
def test_a_database_error_is_counted_by_its_state(error: Exception, state: str) -> None:
    before = figure("candid_database_errors_total", during="ingest", sqlstate=state)
    prometheus.count_database_error("ingest", error)
    assert figure("candid_database_errors_total", during="ingest", sqlstate=state) == before + 1


def test_of_a_process_that_ended_totals_stay_and_what_was_in_flight_goes(tmp_path: Path) -> None:
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "CANDID_PROGRAM": "web"}
    subprocess.run([sys.executable, "-c", ENDED], cwd=ROOT, env=environment, check=True)
    (tmp_path / "counter_1.db").touch()  # of a process that was killed while it made the file
    samples = {
        sample.name: sample.value
        for metric in prometheus._Files(tmp_path).collect()
        for sample in metric.samples
    }
    assert (samples["candid_records_total"], samples["candid_received_bytes_total"]) == (3, 5)
    assert not samples.keys() & {"candid_requests_in_flight", "candid_bytes_in_flight"}


def test_the_process_that_is_asked_shows_itself() -> None:
    shown = prometheus.exposition().decode()
    assert f'candid_process_open_fds{{pid="{os.getpid()}",program="{prometheus.PROGRAM}"}}' in shown


def test_a_process_of_another_user_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(pid: int, number: int) -> None:
        assert number == 0
        raise {1: PermissionError, 2: ProcessLookupError}[pid]

    assert prometheus._is_alive(os.getpid())
    monkeypatch.setattr(os, "kill", kill)
    assert (prometheus._is_alive(1), prometheus._is_alive(2)) == (True, False)
