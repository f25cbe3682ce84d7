"""Runs programs in the foreground: prints their lines, restarts those that end, stops them within a limit.

Each program leads a session of its own, so that Ctrl-C reaches only the supervisor, which then stops
them in order. On Linux the kernel tells a program to stop when its supervisor is killed.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from telemetry_site.server.output import Output

GRACE = 10  # seconds from the signal to SIGKILL
HEAD_START = 3  # of those seconds: first only the programs that started last are told to stop
RESTARTS = 5  # restarts within RESTART_WINDOW after a second's pause; then the pause doubles each time
RESTART_WINDOW = 600  # seconds; many times the longest pause, or a program that keeps ending would look new
LONGEST_PAUSE = 30  # seconds
READY_LIMIT = 180  # seconds
WATCH_EVERY = 1  # seconds; a sender gives up after ten
PR_SET_PDEATHSIG = 1  # prctl(2)


@dataclass
class Program:
    """A process to keep running."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)  # beside our own
    waits: bool = False  # started once the others answer, and stopped before them
    ends: list[float] = field(default_factory=list)  # when it last ended, in monotonic seconds
    again_at: float = 0.0  # monotonic seconds; when to start it again
    process: subprocess.Popen[bytes] | None = None
    reader: threading.Thread | None = None


class Supervisor:
    """Keeps programs running until a signal comes, or gives up if one does not come up at all."""

    def __init__(
        self,
        programs: Sequence[Program],
        output: Output,
        *,
        directory: Path,
        missing: Callable[[], str],
        announce: Callable[[], None],
        watch: Callable[[], None],
    ) -> None:
        """`missing` names a program that does not answer yet. Once it returns '', `announce` is called.

        From then on `watch` is called every second.
        """
        self._programs, self._output, self._directory = programs, output, directory
        self._missing, self._announce, self._watch = missing, announce, watch
        self._wake = threading.Event()
        self._signals = 0
        self._is_ready = self._failed = False

    def run(self) -> int:
        """Run until a signal. Returns the exit code: 0 after a signal, 1 if something would not run."""
        self._take_signals()
        try:
            self._keep_running()
        except BrokenPipeError:  # nobody reads our output any more
            self._failed = True
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        finally:
            self._stop_all()
        return 1 if self._failed else 0

    def _take_signals(self) -> None:
        def stop(_number: int, _frame: object) -> None:
            self._signals += 1
            self._wake.set()

        signal.signal(signal.SIGINT, stop)  # even if a shell's `&` has set it to be ignored
        signal.signal(signal.SIGTERM, stop)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
            signal.signal(signal.SIGHUP, stop)

    def _keep_running(self) -> None:
        started_at = self._watched_at = time.monotonic()
        for program in self._programs:
            if not program.waits:
                self._start(program)
        while not self._failed and not self._wake.wait(0.1):
            now = time.monotonic()
            self._replace_ended(now)
            if self._failed:
                return
            if not self._is_ready:
                self._become_ready(now - started_at)
            elif now - self._watched_at > WATCH_EVERY:
                self._watch()
                self._watched_at = time.monotonic()

    def _replace_ended(self, now: float) -> None:
        for program in self._programs:
            if program.process and program.process.poll() is not None:
                self._ended(program, now)
            elif program.again_at and now >= program.again_at:
                self._start(program)

    def _become_ready(self, seconds: float) -> None:
        """Announce that everything answers as soon as it does; give up after `READY_LIMIT`."""
        missing = self._missing()
        if any(program.name == missing and not program.process for program in self._programs):
            self._start_the_rest()
        if not missing:
            self._is_ready = True
            self._announce()
        elif seconds > READY_LIMIT:
            self._fail(f"{missing} does not answer after {READY_LIMIT} s")

    def _start_the_rest(self) -> None:
        for program in self._programs:
            if not program.process:
                self._start(program)

    def _start(self, program: Program) -> None:
        program.again_at = 0.0
        # The program also holds the pipe's reading end: when this process is killed, the program must still
        # be able to write while it stops (celery takes a broken pipe for a lost broker, and lives on).
        ours, theirs = os.pipe()
        program.process = subprocess.Popen(
            program.command,
            cwd=self._directory,
            env=os.environ | {"PYTHONUNBUFFERED": "1", "CANDID_PROGRAM": program.name} | program.environment,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=subprocess.STDOUT,
            pass_fds=(ours,),
            start_new_session=True,
            preexec_fn=_stop_with_parent(),
        )
        os.close(theirs)
        program.reader = threading.Thread(target=self._copy, args=(program.name, ours), daemon=True)
        program.reader.start()

    def _copy(self, name: str, pipe: int) -> None:
        try:
            with open(pipe, errors="replace") as lines:
                for line in lines:
                    if text := line.rstrip():
                        self._output.line(name, text)
        except BrokenPipeError:
            self._failed = True
            self._wake.set()

    def _ended(self, program: Program, now: float) -> None:
        """Schedule its restart. Before everything is ready, give up instead: it may never have worked."""
        code = program.process.returncode if program.process else 0
        self._kill_rest(program)
        if not self._is_ready:
            self._fail(f"{program.name} ended with {code} before everything was ready")
            return
        program.ends = [moment for moment in program.ends if now - moment < RESTART_WINDOW] + [now]
        # Restarts come further and further apart: the cause may last, as a full disk does.
        pause = min(2 ** max(0, len(program.ends) - RESTARTS), LONGEST_PAUSE)
        self._output.line("up", f"{program.name} ended with {code}; starting it again in {pause} s")
        program.process, program.again_at = None, now + pause

    def _fail(self, sentence: str) -> None:
        self._failed = True
        self._output.line("up", f"{sentence}; stopping.")

    def _stop_all(self) -> None:
        """SIGTERM to each program, to those that started last first; SIGKILL to what is left after GRACE.

        A second signal skips the wait.
        """
        if self._signals:
            self._output.line("up", "stopping")
        signals, until = self._signals, time.monotonic() + GRACE
        last = [program for program in self._programs if program.waits]
        first = [program for program in self._programs if not program.waits]
        steps = ((last, last, time.monotonic() + HEAD_START), (first, self._programs, until))
        for stopped, awaited, deadline in steps:
            for program in self._running(stopped):
                program.process.terminate()  # type: ignore[union-attr]
            while self._running(awaited):
                if time.monotonic() > deadline or self._signals > signals:
                    break
                time.sleep(0.02)
        for program in self._programs:
            self._kill_rest(program)

    def _running(self, programs: Sequence[Program]) -> list[Program]:
        return [program for program in programs if program.process and program.process.poll() is None]

    def _kill_rest(self, program: Program) -> None:
        """End what is left of a program's process group, so that nothing holds its port."""
        if not program.process:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):  # no process is left
            os.killpg(program.process.pid, signal.SIGKILL)
        program.process.wait()
        if program.reader:
            program.reader.join(1)


def _stop_with_parent() -> Callable[[], None] | None:
    """What a child runs before its program: ask the kernel for SIGTERM when this process dies."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    return ask
