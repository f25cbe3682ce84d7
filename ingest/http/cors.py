"""Which web pages may send: what a browser asks before and reads after (the Fetch standard, CORS).

A preflight carries no key, so it is answered before anyone is authenticated, to pages of
`OTLP_CORS_ORIGINS` and of every publishable key's websites. Nothing here admits a
request: it lets a page read the answer. `*` would not cover `Authorization`, so the headers are
named; credentials are allowed because `sendBeacon` insists on sending them, and nothing reads any.
"""

import contextlib
import time

from django.conf import settings
from django.db import Error as DatabaseError

from consent.api.do_not_track import Headers
from consent.keys import publishable_origins
from ingest.http.messages import Answer, Export

KNOWN_FOR = 10.0  # seconds
UNKNOWN_FOR = 1.0  # seconds

PREFLIGHT = [
    ("Access-Control-Allow-Methods", "POST, OPTIONS"),
    (
        "Access-Control-Allow-Headers",
        "authorization, content-type, content-encoding, x-api-key, dnt, sec-gpc",
    ),
    ("Access-Control-Max-Age", "7200"),  # seconds; the most that Chromium heeds
]


def preflight(export: Export, headers: Headers) -> Answer | None:
    """The answer to a preflight, None to anything else. A page that may not send is not invited."""
    if (
        export.method != "OPTIONS"
        or not export.origin
        or not headers.get("access-control-request-method", "")
    ):
        return None
    allowed = may_send(export.origin)
    return Answer(200, answer_headers(export.origin) + (PREFLIGHT if allowed else []), b"")


def answer_headers(origin: str) -> list[tuple[str, str]]:
    """The headers of an answer, or an error, to a request that names its origin."""
    headers = [("Vary", "Origin")]
    if may_send(origin):
        headers += [
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Allow-Credentials", "true"),
            ("Access-Control-Expose-Headers", "Retry-After"),
        ]
    return headers


def may_send(origin: str) -> bool:
    """Whether pages of this website may send at all, as far as this process knows."""
    return origin in settings.OTLP_CORS_ORIGINS or origin in _known.origins


def is_stale(origin: str) -> bool:
    """Whether to `refresh` first. A website that is not known yet is looked for again soon."""
    if origin in settings.OTLP_CORS_ORIGINS:
        return False
    return time.monotonic() - _known.read_at > (KNOWN_FOR if origin in _known.origins else UNKNOWN_FOR)


def refresh() -> None:
    """Read the publishable keys' websites anew. With the database away, those that were known stay."""
    _known.read_at = time.monotonic()
    with contextlib.suppress(DatabaseError):
        _known.origins = publishable_origins()


class _Known:
    """The websites of publishable keys."""

    def __init__(self) -> None:
        self.origins: set[str] = set()
        self.read_at = float("-inf")


_known = _Known()
