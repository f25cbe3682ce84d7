"""The supervisor of `up`, with small programs that end, stay, or will not stop."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.support.programs import ROOT

BEGIN = """
import os, signal, sys, threading, time
from pathlib import Path
from telemetry_site.server import supervisor
from telemetry_site.server.output import Output
from telemetry_site.server.supervisor import Program, Supervisor

folder = Path(sys.argv[1])
supervisor.LONGEST_PAUSE = supervisor.WATCH_EVERY = 0.1
def stop(): os.kill(os.getpid(), signal.SIGTERM)
def run(programs, missing=lambda: "", announce=lambda: None, watch=lambda: None):
    names = [program.name for program in programs]
    code = Supervisor(
        programs, Output([*names, "up"]), directory=folder, missing=missing, announce=announce, watch=watch,
    ).run()
    print("code", code)
"""


def supervised(script: str, folder: Path) -> str:
    command = [sys.executable, "-c", BEGIN + script, str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True).stdout


def test_what_keeps_ending_is_started_again_and_takes_nothing_with_it(tmp_path: Path) -> None:
    """A full disk once ended the worker again and again; the sixth time `up` gave up, and stopped ingest."""
    script = """
steady = Program("steady", ["sleep", "600"])
ending = Program("ending", ["sh", "-c", "until [ -e ready ]; do sleep 0.05; done"])
run([steady, ending], announce=(folder / "ready").touch, watch=lambda: len(ending.ends) > 6 and stop())
"""
    output = supervised(script, tmp_path)
    assert output.count("ending ended with 0; starting it again") > 6
    assert "steady ended" not in output
    assert output.rstrip().endswith("code 0")


def test_nothing_is_left_of_a_program_that_ended(tmp_path: Path) -> None:
    """The child of a killed web process once kept its port."""
    script = """
child = "sleep 600 & echo $! > child.new; mv child.new child; until [ -e ready ]; do sleep 0.05; done"
ended = Program("parent", ["sh", "-c", f"[ -e child ] && exec sleep 600; {child}"])
def look():
    if ended.ends and ended.process:
        number = (folder / "child").read_text().strip()
        state = Path(f"/proc/{number}/stat")
        print("alive" if state.exists() and state.read_text().split()[2] != "Z" else "gone")
        stop()
def when_it_has_a_child():
    return "" if (folder / "child").exists() else "parent"
run([ended], missing=when_it_has_a_child, announce=(folder / "ready").touch, watch=look)
"""
    assert "gone" in supervised(script, tmp_path).splitlines()
    assert not psutil.pid_exists(int((tmp_path / "child").read_text())) or _is_zombie(tmp_path)


def _is_zombie(folder: Path) -> bool:
    return psutil.Process(int((folder / "child").read_text())).status() == psutil.STATUS_ZOMBIE


def test_what_ends_before_everything_is_ready_ends_it_all(tmp_path: Path) -> None:
    script = """
bad = Program("bad", ["sh", "-c", "echo why; exit 3"])
run([Program("web", ["sleep", "600"]), bad], missing=lambda: "web")
"""
    output = supervised(script, tmp_path)
    assert "bad | why" in output
    assert "bad ended with 3 before everything was ready; stopping." in output
    assert output.rstrip().endswith("code 1")


def test_what_never_answers_is_given_up(tmp_path: Path) -> None:
    script = """
supervisor.READY_LIMIT = 0.2
run([Program("web", ["sleep", "600"])], missing=lambda: "web")
"""
    output = supervised(script, tmp_path)
    assert "web does not answer after 0.2 s; stopping." in output
    assert output.rstrip().endswith("code 1")


def test_those_that_wait_start_last_and_stop_first(tmp_path: Path) -> None:
    script = """
def noting(name):
    script = "echo $0+ >> order; trap 'echo $0- >> order; exit' TERM; while :; do sleep 0.05; done"
    return ["sh", "-c", script, name]
web, worker = Program("web", noting("web")), Program("worker", noting("worker"), waits=True)
order = folder / "order"
def missing():
    text = order.read_text() if order.exists() else ""
    return next((name for name in ("web", "worker") if f"{name}+" not in text), "")
run([worker, web], missing=missing, announce=lambda: print("announced"), watch=stop)
"""
    output = supervised(script, tmp_path)
    assert (tmp_path / "order").read_text().split() == ["web+", "worker+", "worker-", "web-"]
    assert output.count("announced") == 1
    assert "up     | stopping" in output


@pytest.mark.parametrize("second_signal", [False, True])
def test_what_does_not_stop_is_killed(tmp_path: Path, second_signal: bool) -> None:
    script = f"""
supervisor.GRACE, supervisor.HEAD_START = {600 if second_signal else 0.3}, 0.1
deaf = Program("deaf", ["sh", "-c", "trap '' TERM; touch deaf; while :; do sleep 0.05; done"])
def stop_and_again():
    stop()
    if {second_signal}:
        threading.Timer(0.5, stop).start()
run([deaf], missing=lambda: "" if (folder / "deaf").exists() else "deaf", watch=stop_and_again)
print("deaf", deaf.process.returncode)
"""
    began = time.monotonic()
    assert supervised(script, tmp_path).splitlines()[-2:] == ["code 0", "deaf -9"]
    assert time.monotonic() - began < 100


def test_a_failed_watch_is_not_hidden(tmp_path: Path) -> None:
    script = """
steady = Program("steady", ["sleep", "600"])
try:
    run([steady], watch=lambda: 1 / 0)
except ZeroDivisionError:
    print("raised", steady.process.returncode)
"""
    assert supervised(script, tmp_path).splitlines()[-1] == "raised -15"
