"""The addresses that a DSN stands for: `https://KEY@host/1` means `/api/1/envelope/` and `/api/1/store/`.

Any number will do, since a key says whose events they are. A slash at the end may be missing, and nothing
redirects.
"""

import re

SIGNAL = "sentry"  # as counts and metrics name what comes here
ENVELOPE, STORE = "application/x-sentry-envelope", "application/json"
PATTERN = r"api/(?P<project>[0-9]{1,20})/(?P<end>envelope|store)/?"
_ADDRESS = re.compile(f"/{PATTERN}", re.ASCII)


def encoding_at(path: str) -> str:
    """How a body sent to this address is made: `ENVELOPE`, `STORE`, or '' at another address.

    Its Content-Type says nothing: browsers send envelopes as text, so that no preflight is needed.
    """
    address = _ADDRESS.fullmatch(path) if path.startswith("/api/") else None
    return encoding_of(address["end"]) if address else ""


def encoding_of(end: str) -> str:
    """The same for the end of an address."""
    return ENVELOPE if end == "envelope" else STORE
