"""Runs processes in the foreground: their lines with time and name, restarts, one bounded stop.

Each process leads a session of its own, so that Ctrl-C reaches only this one, which then stops
them in order. On Linux a process whose supervisor was killed is told to stop by the kernel.
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
from typing import IO

GRACE = 10  # seconds from the signal to SIGKILL
HEAD_START = 3  # seconds of these in which only those that came last are told to stop
RESTARTS = 5  # within RESTART_WINDOW a second apart; then ever further, up to LONGEST_PAUSE
RESTART_WINDOW = 600  # seconds; many times the longest pause, else what keeps ending is forgotten
LONGEST_PAUSE = 30  # seconds
READY_LIMIT = 180  # seconds
WATCH_EVERY = 1  # seconds; a sender gives up after ten
PR_SET_PDEATHSIG = 1  # prctl(2)
COLOURS = ("36", "33", "35", "32")
DIM = "2"


class Output:
    """Writes whole lines, each with the time and the name of who said it; in colour on a terminal only."""

    def __init__(self, names: Sequence[str]) -> None:
        self._width = max(map(len, names))
        colours = COLOURS * len(names)
        self._colours = dict(zip(names, colours, strict=False)) if _wants_colour(sys.stdout) else {}
        self._lock = threading.Lock()

    def line(self, name: str, text: str) -> None:
        stamp, label = time.strftime("%H:%M:%S"), name.ljust(self._width)
        if self._colours:
            label = f"\x1b[{self._colours.get(name, DIM)}m{label}\x1b[0m"
        self.plain(f"{stamp} {label} | {text}")

    def plain(self, text: str) -> None:
        with self._lock:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()


@dataclass
class Program:
    """A process to keep running."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)  # beside our own
    waits: bool = False  # started when the others answer, and told to stop before them
    ends: list[float] = field(default_factory=list)  # the latest, in monotonic seconds
    again_at: float = 0.0  # monotonic seconds; when to start it again after it has ended
    process: subprocess.Popen[bytes] | None = None
    reader: threading.Thread | None = None


class Supervisor:
    """Keeps programs running until a signal, or a program that does not come up at all."""

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
        """`missing` names what does not answer yet, or ''; `announce` follows, and `watch` now and then."""
        self._programs, self._output, self._directory = programs, output, directory
        self._missing, self._announce, self._watch = missing, announce, watch
        self._wake = threading.Event()
        self._signals = 0
        self._failed = False

    def run(self) -> int:
        """The exit code: 0 after a signal, 1 when something would not run."""
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

        signal.signal(signal.SIGINT, stop)  # even where a shell's `&` has made it ignored
        signal.signal(signal.SIGTERM, stop)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
            signal.signal(signal.SIGHUP, stop)

    def _keep_running(self) -> None:
        started_at = watched_at = time.monotonic()
        is_ready = False
        for program in self._programs:
            if not program.waits:
                self._start(program)
        while not self._failed and not self._wake.wait(0.1):
            now = time.monotonic()
            for program in self._programs:
                if program.process and program.process.poll() is not None:
                    self._ended(program, now, is_ready=is_ready)
                elif program.again_at and now >= program.again_at:
                    self._start(program)
            if self._failed:
                continue
            if not is_ready:
                is_ready = not (missing := self._missing())
                for program in self._programs:
                    if program.name == missing and not program.process:
                        self._start_the_rest()
                if is_ready:
                    self._announce()
                elif now - started_at > READY_LIMIT:
                    self._fail(f"{missing} does not answer after {READY_LIMIT} s")
            elif now - watched_at > WATCH_EVERY:
                self._watch()
                watched_at = time.monotonic()

    def _start_the_rest(self) -> None:
        for program in self._programs:
            if not program.process:
                self._start(program)

    def _start(self, program: Program) -> None:
        program.again_at = 0.0
        # The program keeps the pipe's other end, too: when this process is killed, what the program says
        # while it stops must not fail (celery takes a broken pipe for a lost broker, and lives on).
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

    def _ended(self, program: Program, now: float, *, is_ready: bool) -> None:
        """Have it started again, unless it never worked. What ends it may last, as a full disk does."""
        code = program.process.returncode if program.process else 0
        self._kill_rest(program)
        if not is_ready:
            self._fail(f"{program.name} ended with {code} before everything was ready")
            return
        program.ends = [moment for moment in program.ends if now - moment < RESTART_WINDOW] + [now]
        pause = min(2 ** max(0, len(program.ends) - RESTARTS), LONGEST_PAUSE)
        self._output.line("up", f"{program.name} ended with {code}; starting it again in {pause} s")
        program.process, program.again_at = None, now + pause

    def _fail(self, sentence: str) -> None:
        self._failed = True
        self._output.line("up", f"{sentence}; stopping.")

    def _stop_all(self) -> None:
        """SIGTERM to each leader, those that came last first; at the end, or after GRACE, SIGKILL.

        A second signal ends the waiting.
        """
        if self._signals:
            self._output.line("up", "stopping")
        signals, until = self._signals, time.monotonic() + GRACE
        last = [program for program in self._programs if program.waits]
        first = [program for program in self._programs if not program.waits]
        steps = ((last, last, time.monotonic() + HEAD_START), (first, self._programs, until))
        for told, awaited, by in steps:
            for program in self._running(told):
                program.process.terminate()  # type: ignore[union-attr]
            while self._running(awaited):
                if time.monotonic() > by or self._signals > signals:
                    break
                time.sleep(0.02)
        for program in self._programs:
            self._kill_rest(program)

    def _running(self, programs: Sequence[Program]) -> list[Program]:
        return [program for program in programs if program.process and program.process.poll() is None]

    def _kill_rest(self, program: Program) -> None:
        """End what is left of a program's group, so that nothing of it keeps a port."""
        if not program.process:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it is empty, says Linux, says macOS
            os.killpg(program.process.pid, signal.SIGKILL)
        program.process.wait()
        if program.reader:
            program.reader.join(1)


def _stop_with_parent() -> Callable[[], None] | None:
    """What a child does before it becomes its program: ask for SIGTERM when this process dies."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    return ask


def _wants_colour(stream: IO[str]) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
