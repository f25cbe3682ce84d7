"""Which web pages may send: preflights, and the headers that let a page read its answer (CORS).

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
from ingest.http.messages import ExportAnswer, ExportRequest

KNOWN_FOR = 10.0  # seconds until a known website is looked up again
UNKNOWN_FOR = 1.0  # seconds until an unknown one is

PREFLIGHT = [
    ("Access-Control-Allow-Methods", "POST, OPTIONS"),
    (
        "Access-Control-Allow-Headers",
        "authorization, content-type, content-encoding, x-api-key, x-sentry-auth, dnt, sec-gpc",
    ),
    ("Access-Control-Max-Age", "7200"),  # seconds; the most that Chromium heeds
]


def preflight(request: ExportRequest, headers: Headers) -> ExportAnswer | None:
    """The answer to a preflight, which allows nothing to unknown websites; None for any other request."""
    if request.method != "OPTIONS" or not headers.get("access-control-request-method", ""):
        return None
    more = PREFLIGHT if may_send(request.origin) else []
    return ExportAnswer(200, answer_headers(request.origin) + more, b"")


def answer_headers(origin: str) -> list[tuple[str, str]]:
    """The headers to add to any answer, errors included, to a request that names its origin."""
    headers = [("Vary", "Origin")]
    if may_send(origin):
        headers += [
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Allow-Credentials", "true"),
            ("Access-Control-Expose-Headers", "Retry-After, X-Sentry-Rate-Limits"),
        ]
    return headers


def may_send(origin: str) -> bool:
    """Whether pages of this website may send with any key, as far as this process knows."""
    return origin in settings.OTLP_CORS_ORIGINS or origin in _publishable.origins


def is_stale(origin: str) -> bool:
    """Whether to `refresh` first. An unknown website is looked up again after a second."""
    if origin in settings.OTLP_CORS_ORIGINS:
        return False
    lifetime = KNOWN_FOR if origin in _publishable.origins else UNKNOWN_FOR
    return time.monotonic() - _publishable.read_at > lifetime


def refresh() -> None:
    """Read the publishable keys' websites again. If the database is unreachable, the known ones stay."""
    _publishable.read_at = time.monotonic()
    with contextlib.suppress(DatabaseError):
        _publishable.origins = publishable_origins()


class _PublishableOrigins:
    """The websites of publishable keys."""

    def __init__(self) -> None:
        self.origins: set[str] = set()
        self.read_at = float("-inf")


_publishable = _PublishableOrigins()
