"""The supervisor of `up`, with programs that end at once."""

import subprocess
import sys
from pathlib import Path

from tests.support.programs import ROOT

KEEPS_ENDING = """
import os, signal, sys, threading, time
from pathlib import Path
from telemetry_site import supervisor
from telemetry_site.server.supervisor import Output, Program, Supervisor

supervisor.LONGEST_PAUSE = 0.1
ready = Path(sys.argv[1])
steady = Program("steady", ["sleep", "600"])
ending = Program("ending", ["sh", "-c", "until [ -e $0 ]; do sleep 0.05; done", str(ready)])

def stop_after_the_seventh_end():
    while len(ending.ends) < 7:
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=stop_after_the_seventh_end, daemon=True).start()
code = Supervisor(
    [steady, ending], Output(["steady", "ending", "up"]), directory=Path("."),
    missing=lambda: "", announce=ready.touch, watch=lambda: None,
).run()
print("code", code)
"""


def test_what_keeps_ending_is_started_again_and_takes_nothing_with_it(tmp_path: Path) -> None:
    """A full disk ended the worker each time: with the sixth end `up` gave up, ingest included."""
    command = [sys.executable, "-c", KEEPS_ENDING, str(tmp_path / "ready")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.stdout.count("ending ended with 0; starting it again") > 6
    assert "steady ended" not in run.stdout
    assert run.stdout.rstrip().endswith("code 0")
