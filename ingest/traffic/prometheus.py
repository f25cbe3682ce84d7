"""Metrics for Prometheus: requests, records, bytes, durations, requests in flight, errors.

They cover the whole instance: each process writes its own to files in `PROMETHEUS_MULTIPROC_DIR`
(`manage.py up` creates it before any process starts), and the process that is asked adds them up. The files
of an ended process still count, so that totals never decrease; only its requests in flight are dropped.
Counting one request costs about 10 µs.
"""

import os
import threading
import time
from collections.abc import Iterable
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client import multiprocess as untyped
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from postgres.errors import sqlstate

multiprocess: Any = untyped  # it has no types of its own
PROGRAM = os.environ.get("CANDID_PROGRAM", "web")  # what `manage.py up` calls this process
SECONDS = (
    0.002,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
)  # bounds of the buckets
OF_PROCESSES = {
    "candid_process_cpu_seconds",
    "candid_process_resident_memory_bytes",
    "candid_process_open_fds",
}
LIVE: Final = "livesum"  # added up over the processes that are alive

DIRECTORY = os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")  # prometheus-client's own name for it
if DIRECTORY:  # an earlier process with the same id may have left gauges behind
    multiprocess.mark_process_dead(os.getpid(), DIRECTORY)
_own = CollectorRegistry()  # read when a process runs alone; otherwise the files are

REQUESTS = Counter(
    "candid_requests_total",
    "OTLP requests answered; the status is HTTP's number, or the name of gRPC's status.",
    ["signal", "transport", "status"],
    registry=_own,
)
DURATION = Histogram(
    "candid_request_duration_seconds",
    "From an OTLP request's arrival at our code to its answer.",
    ["signal", "transport"],
    buckets=SECONDS,
    registry=_own,
)
UNDER_WAY = Gauge(
    "candid_requests_in_flight",
    "OTLP requests that are being worked on now.",
    ["transport"],
    multiprocess_mode=LIVE,
    registry=_own,
)
RECEIVED_BYTES = Counter(
    "candid_received_bytes_total", "Bytes of OTLP bodies as they arrived.", ["transport"], registry=_own
)
INFLATED_BYTES = Counter(
    "candid_inflated_bytes_total", "Bytes of OTLP bodies after decompression.", ["transport"], registry=_own
)
BYTES_UNDER_WAY = Gauge(
    "candid_bytes_in_flight",
    "Bytes of decompressed OTLP bodies that are being worked on now.",
    multiprocess_mode=LIVE,
    registry=_own,
)
RECORDS = Counter(
    "candid_records_total",
    "Spans, log records and metric points by what became of them; rejected ones are whole requests.",
    ["signal", "outcome", "reason"],
    registry=_own,
)
DATABASE_ERRORS = Counter(
    "candid_database_errors_total",
    "Database errors that a sender was told about (ingest), or that delayed writing counts (counts).",
    ["during", "sqlstate"],
    registry=_own,
)
RATE_LIMITED = Counter(
    "candid_rate_limited_total", "OTLP requests refused by a limit.", ["transport", "limit"], registry=_own
)
LIMITS_UNSHARED = Counter(
    "candid_rate_exchanges_failed_total",
    "Times a process could not learn from Redis what others count against a key's limit.",
    registry=_own,
)
SIGN_INS = Counter(
    "candid_sign_ins_total",
    "Sign-ins to pages and admin: accepted, failed, or refused because too many had failed.",
    ["outcome"],
    registry=_own,
)
PROXY_FAULTS = Counter(
    "candid_proxy_faults_total",
    "Requests to the site that show TRUSTED_PROXIES or a proxy to be set wrongly, by what is wrong.",
    ["fault"],
    registry=_own,
)
PROXY_FAULT_SEEN = Gauge(
    "candid_proxy_fault_last_seen_timestamp_seconds",
    "When a request last showed that, in seconds since 1970.",
    ["fault"],
    multiprocess_mode="max",
    registry=_own,
)
COUNTS_WAITING = Gauge(
    "candid_counts_waiting",
    "Traffic counts in memory that are not in the database yet.",
    multiprocess_mode=LIVE,
    registry=_own,
)
COUNTS_LOST = Counter(
    "candid_counts_lost_total",
    "Additions to traffic counts that memory had no room for while the database did not answer.",
    registry=_own,
)
STARTED = Gauge(
    "candid_process_start_time_seconds",
    "When a process that receives was started, in seconds since 1970.",
    ["program"],
    multiprocess_mode="liveall",
    registry=_own,
)


_bytes_lock = threading.Lock()


class RequestMeasure:
    """Measures one request. Call `ended` exactly once, also after an error."""

    __slots__ = ("_began", "_bytes", "_is_over", "_signal", "_transport")

    def __init__(self, transport: str, signal: str) -> None:
        """`transport` is http or grpc, `signal` traces, logs, metrics or sentry."""
        self._transport, self._signal, self._bytes, self._is_over = transport, signal, 0, False
        self._began = time.perf_counter()
        _of_transport(transport)[0].inc()

    def took(self, wire: int, inflated: int) -> None:
        """Its body is in memory: bytes as they arrived, and after decompression."""
        _, received, after = _of_transport(self._transport)
        received.inc(wire)
        after.inc(inflated)
        with _bytes_lock:  # the client may leave, and so end this, while a thread still stores
            if not self._is_over:
                BYTES_UNDER_WAY.inc(inflated)
                self._bytes += inflated

    def ended(self, status: str | int) -> None:
        """It has been answered, or its client no longer waits for the answer."""
        _of_transport(self._transport)[0].dec()
        with _bytes_lock:
            self._is_over = True
            if self._bytes:
                BYTES_UNDER_WAY.dec(self._bytes)
        requests, duration = _of_request(self._signal, self._transport, str(status))
        requests.inc()
        duration.observe(time.perf_counter() - self._began)


def count_records(signal: str, outcome: str, reason: str, number: int) -> None:
    _of_records(signal, outcome, reason).inc(number)


def count_database_error(during: str, error: BaseException) -> None:
    """`during` is ingest or counts."""
    DATABASE_ERRORS.labels(during, sqlstate(error) or "connection").inc()


def count_proxy_fault(fault: str) -> None:
    """`fault` is a name of `consent/api/proxies.py`."""
    PROXY_FAULTS.labels(fault).inc()
    PROXY_FAULT_SEEN.labels(fault).set(time.time())


def proxy_faults_since(instant: float) -> list[str]:
    """The names of faults that a request to any process has shown since then (seconds since 1970)."""
    files = [str(file) for file in Path(DIRECTORY).glob("gauge_max_*.db") if file.stat().st_size]
    families = multiprocess.MultiProcessCollector.merge(files) if DIRECTORY else PROXY_FAULT_SEEN.collect()
    return [
        sample.labels["fault"]
        for family in families
        if family.name == "candid_proxy_fault_last_seen_timestamp_seconds"
        for sample in family.samples
        if sample.value >= instant
    ]


# Looking a metric up by its labels costs twice as much as adding to it; there are few combinations.
@cache
def _of_transport(transport: str) -> tuple[Gauge, Counter, Counter]:
    return UNDER_WAY.labels(transport), RECEIVED_BYTES.labels(transport), INFLATED_BYTES.labels(transport)


@cache
def _of_request(signal: str, transport: str, status: str) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(signal, transport, status), DURATION.labels(signal, transport)


@cache
def _of_records(signal: str, outcome: str, reason: str) -> Counter:
    return RECORDS.labels(signal, outcome, reason)


def note_start() -> None:
    """Note that this process receives events, under its name in `manage.py up`."""
    STARTED.labels(PROGRAM).set(time.time())


# --- Exposition ----------------------------------------------------------------------------------
def exposition(*more: Collector) -> bytes:
    """Everything in Prometheus' text format, with what `more` collects."""
    registry = CollectorRegistry()
    for collector in (_Files(Path(DIRECTORY)) if DIRECTORY else _own, _Processes(), *more):
        registry.register(collector)
    return generate_latest(registry)


class _Files(Collector):
    """The figures of all processes, from their files."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[Metric]:
        for pid in {int(file.stem.rpartition("_")[2]) for file in self._directory.glob("gauge_live*.db")}:
            if not _is_alive(pid):
                multiprocess.mark_process_dead(pid, str(self._directory))
        # A process killed while creating its file leaves an empty one.
        files = [str(file) for file in self._directory.glob("*.db") if file.stat().st_size]
        merged: Iterable[Metric] = multiprocess.MultiProcessCollector.merge(files)
        return merged


class _Processes(Collector):
    """CPU time, memory and open files of each process that receives events; on Linux only."""

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for pid, program in _receiving().items():
            for metric in ProcessCollector("candid", pid=partial(str, pid), registry=None).collect():
                if metric.name not in OF_PROCESSES:
                    continue
                family = Metric(metric.name, metric.documentation, metric.type)
                family = families.setdefault(metric.name, family)
                for sample in metric.samples:
                    family.add_sample(sample.name, {"program": program, "pid": pid}, sample.value)
        return families.values()


def _receiving() -> dict[str, str]:
    """Process id and program of each process that called `note_start`."""
    if not DIRECTORY:
        return {str(os.getpid()): PROGRAM}
    files = [str(file) for file in Path(DIRECTORY).glob("gauge_liveall_*.db") if file.stat().st_size]
    metrics = multiprocess.MultiProcessCollector.merge(files)
    return {sample.labels["pid"]: sample.labels["program"] for metric in metrics for sample in metric.samples}


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
