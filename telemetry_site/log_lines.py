"""How a line of the log is written: without what a request said.

Django's own lines about a request name its address, its origin, and whatever the exception's message quotes.
All of these may hold an id. So such a line says the status, and which of our addresses answered.
"""

import logging
import traceback

from django.http import HttpRequest

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class PlainLines(logging.Formatter):
    """Level, logger, message; of a line about a request, only what we know ourselves."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        request = getattr(record, "request", None)
        if request is None:
            return super().format(record)
        status = getattr(record, "status_code", "no status")
        line = f"{record.levelname} {record.name}: {status} for {_place(request)}"
        error = record.exc_info[1] if record.exc_info else None
        if error is None or (isinstance(status, int) and status < 500):
            return line
        # An exception's message may quote what was sent. Its type and the lines of code do not.
        return f"{line}\n{''.join(traceback.format_tb(error.__traceback__))}{type(error).__name__}"


def _place(request: HttpRequest) -> str:
    match = getattr(request, "resolver_match", None)
    if match is None or request.method not in METHODS:
        return "a request that no address of ours takes"
    return f"{request.method} {match.route}"
