"""Messages of the embedded servers to the person at the terminal."""

import sys
import time


class EmbeddedError(Exception):
    """The servers cannot run; the message is one sentence that says what to do."""


def say(sentence: str) -> None:
    """Write to stderr: stdout belongs to the command (`issue_key` prints the key and nothing else)."""
    sys.stderr.write(f"Candid: {sentence}\n")
    sys.stderr.flush()


class Patience:
    """Says what is being waited for, first after 3 seconds and then every 10."""

    def __init__(self, what: str) -> None:
        self._what, self._since = what, time.monotonic()
        self._next = self._since + 3

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._since

    def pause(self) -> None:
        """Sleep for a moment, and print the message when it is due."""
        time.sleep(0.03)
        if time.monotonic() >= self._next:
            say(f"{self._what} ({self.seconds:.0f} s) …")
            self._next = time.monotonic() + 10
