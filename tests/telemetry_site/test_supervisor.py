"""The supervisor of `up`, with programs that end at once."""

import subprocess
import sys

from tests.instances import ROOT

KEEPS_ENDING = """
import os, signal, threading
from pathlib import Path
from telemetry_site import supervisor
from telemetry_site.supervisor import Output, Program, Supervisor

supervisor.LONGEST_PAUSE = 0.1
steady = Program("steady", ["sleep", "60"])
ending = Program("ending", ["sleep", "0.3"])  # still there when everything is ready
ready = threading.Timer(6, os.kill, (os.getpid(), signal.SIGTERM))
code = Supervisor(
    [steady, ending], Output(["steady", "ending", "up"]), directory=Path("."),
    missing=lambda: "", announce=ready.start, watch=lambda: None,
).run()
print("code", code)
"""


def test_what_keeps_ending_is_started_again_and_takes_nothing_with_it() -> None:
    """A full disk ended the worker each time: with the sixth end `up` gave up, ingest included."""
    run = subprocess.run(
        [sys.executable, "-c", KEEPS_ENDING], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert run.stdout.count("ending ended with 0; starting it again") > 6
    assert "steady ended" not in run.stdout
    assert run.stdout.rstrip().endswith("code 0")
