"""Counting across real processes: figures of the whole instance, restarts, kills, a stop."""

import http.client
import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from django.db.models import Sum
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from ingest.models import RejectedRequest, TrafficCount
from ingest.traffic import prometheus
from telemetry_site import metrics
from tests.support import grpc_receiver, programs
from tests.support.otlp import a_key, encoded, log, logs

pytestmark = pytest.mark.django_db(transaction=True)


class Site:
    """The web port with two workers."""

    def __init__(self, port: int, process: subprocess.Popen[bytes], directory: Path) -> None:
        self.port, self.process, self.directory = port, process, directory

    def send(self, key: str, times: int) -> int:
        """Send this many requests of one record each. Returns how many were answered."""
        body, answered = json.dumps(logs(log("a.b"))).encode(), 0
        for _ in range(times):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
            try:
                connection.request("POST", "/v1/logs", body, headers)
                answered += connection.getresponse().status == 200
            except OSError:
                continue
            finally:
                connection.close()
        return answered

    def metric(self, name: str, **labels: str) -> float:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    @property
    def workers(self) -> list[psutil.Process]:
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]

    def answers(self) -> bool:
        try:
            return self.metric("candid_info") == 1
        except OSError:
            return False


@contextmanager
def running(tmp_path: Path) -> Iterator[Site]:
    port = programs.free_port()
    with metrics.directory(tmp_path) as directory:
        env = programs.environment(DEBUG="1", PROMETHEUS_MULTIPROC_DIR=str(directory), CANDID_PROGRAM="web")
        arguments = ["-m", "granian", "--interface", "rsgi", "--host", "127.0.0.1", "--port", str(port)]
        arguments += ["--workers", "2", "--respawn-failed-workers", "--log-level", "warning", "--no-ws"]
        target = "telemetry_site.server.rsgi:application"
        with programs.process(*arguments, target, env=env, log=tmp_path / "log") as process:
            site = Site(port, process, directory)
            programs.until(site.answers, what="the site answers")
            yield site


def test_a_proxy_that_nobody_named_is_counted_and_shown(
    tmp_path: Path, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without that, all of its clients would count as one, and nobody would know why they get 429."""
    with running(tmp_path) as site:
        monkeypatch.setattr(prometheus, "DIRECTORY", str(site.directory))
        assert "A proxy is not set up" not in admin_client.get("/dashboards/pipeline/").text
        for _ in range(3):
            connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
            connection.request("GET", "/accounts/login/", headers={"X-Forwarded-For": "198.51.100.7"})
            assert connection.getresponse().status == 200
            connection.close()
        assert site.metric("candid_proxy_faults_total", fault="not_named") == 3
        page = admin_client.get("/dashboards/pipeline/").text
        assert "A proxy is not set up as it should be" in page
        assert "TRUSTED_PROXIES does not name" in page
        assert "198.51.100.7" not in page
        seen = site.metric("candid_proxy_fault_last_seen_timestamp_seconds", fault="not_named")
        assert prometheus.proxy_faults_since(seen + 1) == []
    assert "198.51.100.7" not in (tmp_path / "log").read_text()


def counted(outcome: str = "refused") -> int:
    total = TrafficCount.objects.filter(outcome=outcome).aggregate(total=Sum("count"))["total"]
    return total or 0


def test_figures_are_of_all_workers_and_survive_a_kill(tmp_path: Path) -> None:
    key, _ = a_key()
    with running(tmp_path) as site:
        assert site.send(key, 40) == 40
        requests = {"signal": "logs", "transport": "http", "status": "200"}
        assert site.metric("candid_requests_total", **requests) == 40
        assert site.metric("candid_records_total", outcome="refused") == 40
        programs.until(lambda: counted() == 40, what="the counts are written", seconds=5)
        for worker in site.workers:
            worker.kill()
        programs.until(site.answers, what="new workers answer")
        assert site.metric("candid_requests_total", **requests) == 40
        assert site.metric("candid_requests_in_flight") == 0
        assert site.send(key, 10) == 10
        assert site.metric("candid_requests_total", **requests) == 50
        assert site.metric("candid_process_start_time_seconds", program="web") > 0
        programs.until(lambda: counted() == 50, what="the new workers count, too", seconds=5)


def test_grpc_is_measured_with_the_rest(tmp_path: Path) -> None:
    key, _ = a_key()
    message = encoded(logs(log("a.b")))
    variables = {"CANDID_PROGRAM": "grpc"}
    with running(tmp_path) as site:
        variables["PROMETHEUS_MULTIPROC_DIR"] = str(site.directory)
        with (
            grpc_receiver.receiver(tmp_path / "grpc", **variables) as receiver,
            receiver.channel() as channel,
        ):
            grpc_receiver.export(channel, message, key, signal="logs")
            grpc_receiver.refusal(channel, b"\xff", key, signal="logs")
            grpc_receiver.refusal(channel, message, "nonsense", signal="logs")
            for status in ("OK", "INVALID_ARGUMENT", "UNAUTHENTICATED"):
                requests = {"signal": "logs", "transport": "grpc", "status": status}
                assert site.metric("candid_requests_total", **requests) == 1, status
            assert site.metric("candid_received_bytes_total", transport="grpc") == len(message) + 1
            assert site.metric("candid_requests_in_flight") == 0
            assert site.metric("candid_bytes_in_flight") == 0
            assert site.metric("candid_process_resident_memory_bytes", program="grpc") > 0
            programs.until(lambda: RejectedRequest.objects.count() == 2, what="they are remembered")
        assert site.metric("candid_requests_total", transport="grpc") == 3  # its process has ended
        rejected = RejectedRequest.objects.values_list("transport", "status", "reason").order_by("id")
        assert list(rejected) == [
            ("grpc", "INVALID_ARGUMENT", "malformed"),
            ("grpc", "UNAUTHENTICATED", "no_key"),
        ]


def test_a_client_that_goes_away_leaves_nothing_in_flight(tmp_path: Path) -> None:
    key, _ = a_key()
    with running(tmp_path) as site:
        for cut in (0, 10):
            head = f"POST /v1/logs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
            head += "Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
            with socket.create_connection(("127.0.0.1", site.port)) as connection:
                connection.sendall(head.encode() + b"x" * cut)
                flying = lambda: site.metric("candid_requests_in_flight") == 1  # noqa: E731
                programs.until(flying, what="it is in flight")
            landed = lambda: site.metric("candid_requests_in_flight") == 0  # noqa: E731
            programs.until(landed, what="it is not any more", seconds=15)


def test_a_kill_loses_two_seconds_of_counts_at_most(tmp_path: Path) -> None:
    key, _ = a_key()
    answered_at: list[float] = []
    over = threading.Event()
    with running(tmp_path) as site:

        def sender() -> None:
            while not over.is_set():
                if site.send(key, 1):
                    answered_at.append(time.monotonic())

        senders = [threading.Thread(target=sender) for _ in range(2)]
        for thread in senders:
            thread.start()
        time.sleep(4)
        over.set()
        for worker in site.workers:
            worker.kill()
        killed_at = time.monotonic()
        for thread in senders:
            thread.join()
        written = counted()
    settled = sum(moment < killed_at - 2 for moment in answered_at)
    assert settled > 20
    assert settled <= written <= len(answered_at) + 2  # a request may be counted whose answer was lost


def test_a_stop_loses_no_count(tmp_path: Path) -> None:
    key, _ = a_key()
    with running(tmp_path) as site:
        for _ in range(3):
            assert site.send(key, 25) == 25
            time.sleep(0.4)  # so that the thread may be in the middle of its second
        site.process.send_signal(signal.SIGTERM)
        site.process.wait(20)
    assert counted() == 75


def test_what_a_killed_supervisor_left_is_cleared_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "MEMORY", tmp_path)
    left = tmp_path / f"{metrics.PREFIX}left"
    left.mkdir()
    (left / "lock").touch()
    with metrics.directory(tmp_path) as held:
        assert not left.exists()
        with metrics.directory(tmp_path) as second:
            assert held.exists()
            assert second != held
    assert list(tmp_path.iterdir()) == []
