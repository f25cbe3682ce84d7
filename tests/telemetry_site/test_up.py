"""`manage.py up`, as real processes: it starts, says so, stops, and recovers after being killed."""

import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from django.contrib.auth import get_user_model
from django.core.management.base import CommandError
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

from telemetry_site import demo
from telemetry_site.management.commands import up
from telemetry_site.server import probes
from telemetry_site.server.output import Output
from tests.support.instances import Instance, data_dir, free_port, kill, manage, processes


@pytest.fixture
def directory() -> Iterator[Path]:
    with data_dir() as path:
        yield path


def get(port: int, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def well(port: int) -> bool:
    """Whether /ready is well within a few seconds: beat's first tick goes through the worker."""
    until = time.monotonic() + 10
    while get(port, "/ready")[0] != 200:
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.proof
def test_two_instances_run_side_by_side_and_each_leaves_nothing(directory: Path) -> None:
    with data_dir() as another:
        first, second = Instance(directory), Instance(another)
        first.ready(), second.ready()
        assert [line for line in first.lines if "is ready" in line] == [
            f"Candid is ready: http://127.0.0.1:{first.port}"
        ]
        assert get(first.port, "/health") == (200, b'{"status": "ok"}')
        assert get(first.otlp_port, "/health") == (200, b'{"status": "ok"}')
        assert get(first.otlp_port, "/admin/")[0] == 404
        assert probes.speaks_http2("127.0.0.1", first.grpc_port)
        assert not probes.speaks_http2("127.0.0.1", free_port())
        assert well(first.port), get(first.port, "/ready")
        assert get(first.otlp_port, "/v1/logs")[0] == 405
        counted = b'candid_requests_total{signal="logs",status="405",transport="http"} 1.0'
        assert counted in get(first.port, "/metrics")[1]  # of another process, on another port

        alive = first.everything()
        assert len(alive) > 5
        if os.geteuid() == 0:  # then everything runs as another user
            assert {process.uids().real for process in alive} & {0} == set()
        assert first.stop(signal.SIGINT) == 0
        assert [process for process in alive if process.is_running()] == []
        assert processes(directory) == []
        assert not (directory / "run" / "redis.sock").exists()

        assert well(second.port)
        beat = next(
            child for child in psutil.Process(second.process.pid).children() if "beat" in child.cmdline()
        )
        beat.kill()
        second.wait_for("beat ended with -9; starting it again")
        assert second.stop(signal.SIGTERM) == 0
        assert processes(another) == []


@pytest.mark.proof
def test_after_kill_9_it_starts_again_with_its_data(directory: Path) -> None:
    instance = Instance(directory)
    instance.ready()
    user = "from django.contrib.auth.models import User; "
    made = manage("shell", "-c", f"{user}User.objects.create(username='kept')", "--data-dir", str(directory))
    assert made.returncode == 0, made.stderr
    started = psutil.Process(instance.process.pid).children()
    programs = [one for one in started if {"-m", "serve_grpc"} & set(one.cmdline())]
    assert len(programs) == 5
    instance.process.kill()  # of the supervisor alone: the programs end by themselves, the servers stay
    _gone, left = psutil.wait_procs(programs, timeout=15)
    assert left == []

    kill(processes(directory))
    again = Instance(directory)
    again.ready()
    found = manage("shell", "-c", f"{user}print(User.objects.get().username)", "--data-dir", str(directory))
    assert found.stdout.splitlines()[-1] == "kept"
    kill(again.everything())
    again.process.wait()

    found = manage("shell", "-c", f"{user}print(User.objects.get().username)", "--data-dir", str(directory))
    assert found.stdout.splitlines()[-1] == "kept"
    assert processes(directory) == []


@pytest.mark.parametrize("option", ["--otlp-port", "--grpc-port"])
def test_a_taken_port_is_said_in_one_sentence(directory: Path, option: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port, others = str(taken.getsockname()[1]), {"--port", "--otlp-port", "--grpc-port"} - {option}
        free = [text for other in others for text in (other, str(free_port()))]
        refused = manage("up", option, port, *free, "--data-dir", str(directory))
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == (
        f"CommandError: Port {port} ({option}) is already in use by another program; "
        f"choose another one with {option}."
    )
    assert processes(directory) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"port": 8000, "otlp_port": 8000}, "both 8000"),
        ({"otlp_port": 8001, "grpc_port": 8001}, "--otlp-port and --grpc-port are both 8001"),
        ({"port": 70000}, "is no port number"),
        ({"workers": 0}, "--workers"),
        ({"host": "192.0.2.1"}, "cannot be listened on at 192.0.2.1"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, object], sentence: str) -> None:
    ports = {name: free_port() for name in ("port", "otlp_port", "grpc_port")}
    usual = {"host": "127.0.0.1", "workers": 1, "demo": False} | ports
    with pytest.raises(CommandError, match=sentence):
        up.check_options(usual | options)


def test_a_database_of_a_newer_version_is_refused(db: None) -> None:
    MigrationRecorder(connections["analytics"]).record_applied("analytics", "9999_later")
    with pytest.raises(
        CommandError, match=r"analytics was migrated by a newer version .*\(analytics 9999_later\)"
    ):
        up.prepare_databases(Output(["up"]))


def test_the_demo_sign_in_is_made_once_and_kept(db: None, tmp_path: Path) -> None:
    password = demo.sign_in(tmp_path)
    assert demo.sign_in(tmp_path) == password
    user = get_user_model().objects.get(username="demo")
    assert user.is_staff
    assert user.check_password(password)
    assert (tmp_path / "demo-password").stat().st_mode & 0o777 == 0o600
    user.set_password("chosen by its owner")
    user.save()
    assert demo.sign_in(tmp_path) == ""


def test_the_demo_is_refused_where_it_would_write_to_real_databases() -> None:
    variables = {"DATABASE_URL": "postgres://x@127.0.0.1:1/x", "DEBUG": "1"}
    refused = manage("up", "--demo", **variables)
    assert refused.returncode == 1
    assert "--demo works with the embedded servers only" in refused.stderr
