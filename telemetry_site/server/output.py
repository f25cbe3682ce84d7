"""What `manage.py up` prints: whole lines, each with the time and the name of the program that wrote it."""

import os
import sys
import threading
import time
from collections.abc import Sequence
from typing import IO

COLOURS = ("36", "33", "35", "32")
DIM = "2"


class Output:
    """Writes to stdout, from any thread; in colour on a terminal only."""

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


def _wants_colour(stream: IO[str]) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
