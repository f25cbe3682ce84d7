"""The programs that `up` runs, and the addresses at which it looks for them."""

import socket
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from threading import Thread
from typing import Any

import pytest

from telemetry_site.management.commands import up
from telemetry_site.server import probes, programs
from tests.support.programs import free_port

OPTIONS = {"host": "127.0.0.1", "port": 8000, "otlp_port": 4318, "grpc_port": 4317, "workers": 1}


def test_receivers_start_first_and_jobs_wait_for_them() -> None:
    all_programs = programs.all_programs(OPTIONS, "up-8000@here", None)
    assert [(one.name, one.waits) for one in all_programs] == [
        ("web", False), ("otlp", False), ("grpc", False), ("worker", True), ("beat", True),
    ]  # fmt: skip
    assert "--hostname=up-8000@here" in all_programs[3].command


@pytest.mark.parametrize(("workers", "processes"), [(1, 1), (2, 1), (3, 1), (4, 2), (8, 4)])
def test_half_as_many_grpc_processes_share_the_port(workers: int, processes: int) -> None:
    options = OPTIONS | {"workers": workers}
    grpc = [one for one in programs.all_programs(options, "n", None) if one.name == "grpc"]
    assert len(grpc) == processes
    assert all(("--reuse-port" in one.command) is (processes > 1) for one in grpc)


def test_granian_speaks_http_1_and_gives_up_slow_headers() -> None:
    command = programs.granian("site:application", OPTIONS | {"workers": 3}, 8000)
    pairs = dict(pairwise(command))
    assert (pairs["--http"], pairs["--workers"], pairs["--port"]) == ("1", "3", "8000")
    assert (pairs["--http1-header-read-timeout"], pairs["--workers-kill-timeout"]) == ("30000", "8")
    assert (pairs["--backpressure"], command[-1]) == ("4096", "site:application")
    assert {"--no-ws", "--respawn-failed-workers"} < {*command}


@pytest.mark.parametrize(
    ("host", "web"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::1", "http://[::1]:8000"),
        ("::", "http://[::1]:8000"),
        ("192.0.2.1", "http://192.0.2.1:8000"),
    ],
)
def test_addresses_are_reachable_from_here(host: str, web: str) -> None:
    addresses = up.Addresses.of(OPTIONS | {"host": host})
    assert addresses.web == web
    assert addresses.for_senders() == (
        f"Send OTLP to {web.replace('8000', '4318')}, over gRPC to {web.replace('8000', '4317')}"
    )


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_numbers_that_are_no_ports(port: int) -> None:
    assert probes.port_problem("127.0.0.1", port) == "is no port number"


def test_a_free_port_is_no_problem_and_stays_free() -> None:
    port = free_port()
    assert [probes.port_problem("127.0.0.1", port) for _ in range(2)] == ["", ""]
    with socket.create_server(("127.0.0.1", port)):
        assert probes.port_problem("127.0.0.1", port) == "is already in use by another program"


class NotFound(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(404)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def test_any_answer_counts_and_silence_does_not() -> None:
    port = free_port()
    assert not probes.answers(f"http://127.0.0.1:{port}/health")
    with HTTPServer(("127.0.0.1", port), NotFound) as server:
        Thread(target=server.handle_request, daemon=True).start()
        assert probes.answers(f"http://127.0.0.1:{port}/health")
        Thread(target=server.handle_request, daemon=True).start()
        assert not probes.speaks_http2("127.0.0.1", port)


def test_what_is_missing_is_named_in_the_order_of_starting() -> None:
    addresses = up.Addresses.of(OPTIONS | {"port": free_port(), "otlp_port": free_port()})
    assert up.what_is_missing(addresses, free_port(), "nobody@nowhere") == "web"


def test_ports_that_are_free_and_different_are_accepted() -> None:
    ports = {"port": free_port(), "otlp_port": free_port(), "grpc_port": free_port()}
    up.check_options(OPTIONS | ports | {"demo": False})
