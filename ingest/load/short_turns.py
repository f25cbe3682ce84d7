"""Shortens the turns of threads that compute while somebody waits who should not have to.

Python lets a thread compute for `sys.getswitchinterval()` before others get a turn. Long turns are faster
altogether; but a small request needs some twenty turns, and each time it waits for all who are computing.
"""

import sys
import threading

SHORT = 0.001  # seconds

_lock = threading.Lock()
_hurried: set[int] = set()  # what is under way in a hurry, by id
_usual = 0.0


def are_needed() -> bool:
    """Whether anything is under way in a hurry."""
    return bool(_hurried)


def begin(work: object) -> None:
    """Turns are short until `end` is called with the same object."""
    global _usual
    with _lock:
        if not _hurried:
            _usual = sys.getswitchinterval()
            sys.setswitchinterval(SHORT)
        _hurried.add(id(work))


def end(work: object) -> None:
    """Nothing happens if `begin` was not called with it."""
    with _lock:
        if id(work) in _hurried:
            _hurried.remove(id(work))
            if not _hurried:
                sys.setswitchinterval(_usual)
