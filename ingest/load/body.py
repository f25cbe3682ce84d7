"""A request's body, bounded: read within a limit and a deadline, and inflated within the same limit.

Under granian, `ingest/http/incoming.py` reads bodies on the event loop. This module reads the body of a
Django request. Django's own stream drops chunked bodies; a server that passes them on in `wsgi.input` says
so with `wsgi.input_terminated`.
"""

import time
import zlib
from collections.abc import Callable
from typing import Any

import brotli  # type: ignore[import-untyped]
from django.conf import settings
from django.http import HttpRequest

DEADLINE = 10.0  # seconds in which the whole body must arrive
PIECE = 64 * 1024  # bytes
LARGE = 4 * 1024 * 1024  # bytes, inflated; larger ones are decoded one at a time: that takes far more memory
MAX_MEMBERS = 10_000
BROTLI = 0
# zlib's window bits
CODINGS = {"": None, "identity": None, "gzip": 31, "x-gzip": 31, "deflate": 15, "br": BROTLI}
NOT_AS_SAID = "the body is not compressed as its Content-Encoding says"


class BodyRefused(Exception):
    """The body cannot be accepted. `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def check(coding: str, length: str, *, limit: int | None = None) -> None:
    """Check what a head says about its body. Raises `BodyRefused`: 400, 413 or 415.

    `coding` is `Content-Encoding`, lower-case, `length` is `Content-Length`; both '' when absent. `limit` is
    in bytes, `OTLP_MAX_BODY_BYTES` by default.
    """
    limit = settings.OTLP_MAX_BODY_BYTES if limit is None else limit
    if coding not in CODINGS:
        message = "this Content-Encoding is not supported; there are gzip, deflate, br and identity"
        raise BodyRefused(415, message)
    declared = declared_length(length)
    if declared is not None and declared > limit:
        raise too_large(limit)


def declared_length(length: str) -> int | None:
    """The number in a `Content-Length`, None for ''. Raises `BodyRefused`."""
    if not length:
        return None
    if not (length.isascii() and length.isdecimal()):
        raise BodyRefused(400, "Content-Length is not a number")
    return int(length[:20])


def too_large(limit: int) -> BodyRefused:
    return BodyRefused(413, f"body is larger than {limit} bytes")


def too_slow() -> BodyRefused:
    return BodyRefused(408, f"the body did not arrive within {DEADLINE:g} seconds")


def cut_short(length: int, declared: int) -> BodyRefused:
    return BodyRefused(400, f"the body ended after {length} of {declared} bytes")


def read_body(request: HttpRequest, *, limit: int | None = None) -> bytes:
    """The whole body of a Django request, inflated; `limit` as above.

    Raises `BodyRefused`: 400, 408, 413 or 415.
    """
    coding = request.headers.get("Content-Encoding", "").strip().lower()
    check(coding, request.headers.get("Content-Length", ""), limit=limit)
    return inflated(read_raw(request, limit=limit), coding, limit=limit)


def read_raw(request: HttpRequest, *, limit: int | None = None) -> bytes:
    """The whole body of a Django request, as it was sent. Raises `BodyRefused`: 400, 408 or 413."""
    limit = settings.OTLP_MAX_BODY_BYTES if limit is None else limit
    declared = declared_length(request.headers.get("Content-Length", ""))
    if declared == 0:
        return b""
    try:
        raw = _read(_stream(request), limit)
    except OSError:
        raise BodyRefused(400, "the body ended early") from None
    if declared is not None and len(raw) < declared:
        raise cut_short(len(raw), declared)
    return raw


def inflated(
    raw: bytes, coding: str, *, limit: int | None = None, hold: Callable[[int], None] | None = None
) -> bytes:
    """A body with its `Content-Encoding` undone. Raises `BodyRefused`: 400 or 413."""
    window_bits = CODINGS[coding]
    if window_bits is None or not raw:
        return raw
    limit = settings.OTLP_MAX_BODY_BYTES if limit is None else limit
    if window_bits == BROTLI:
        return inflate_brotli(raw, limit, hold)
    return inflate(raw, window_bits, limit, hold)


def inflate(data: bytes, window_bits: int, limit: int, hold: Callable[[int], None] | None = None) -> bytes:
    """`data` decompressed, with all its gzip members; at most `limit` bytes. Raises `BodyRefused`.

    `hold` is called with the size of each piece, and may raise.
    """
    if window_bits == CODINGS["deflate"] and not _has_zlib_header(data):
        window_bits = -15  # some clients send raw deflate, without zlib's header, under this name
    view, at = memoryview(data), 0  # read in pieces; otherwise zlib copies the rest for every gzip member
    pieces: list[bytes] = []
    room = limit
    for _ in range(MAX_MEMBERS):
        decompressor = zlib.decompressobj(window_bits)
        while not decompressor.eof:
            if at == len(view):
                raise BodyRefused(400, "the compressed body ended early")
            try:
                piece = decompressor.decompress(view[at : at + PIECE], room + 1)
            except zlib.error:
                raise BodyRefused(400, NOT_AS_SAID) from None
            at = min(at + PIECE, len(view)) - len(decompressor.unused_data)
            room -= len(piece)
            if room < 0:
                raise BodyRefused(413, f"body is larger than {limit} bytes after decompression")
            if hold:
                hold(len(piece))
            pieces.append(piece)
        if at < len(view) and view[at] == 0:
            at = len(view) - len(data[at:].lstrip(b"\x00"))  # gzip allows padding
        if at == len(view) or window_bits != CODINGS["gzip"]:
            return b"".join(pieces)
    raise BodyRefused(400, f"the body has more than {MAX_MEMBERS} gzip members")


def inflate_brotli(data: bytes, limit: int, hold: Callable[[int], None] | None = None) -> bytes:
    """The same for Brotli (RFC 7932), of which Sentry's client for Python makes use where it can."""
    decompressor, at, room = brotli.Decompressor(), 0, limit
    pieces: list[bytes] = []
    while not decompressor.is_finished():
        given = data[at : at + PIECE] if decompressor.can_accept_more_data() else b""
        at += len(given)
        try:
            piece = decompressor.process(given, output_buffer_limit=PIECE)
        except brotli.error:
            raise BodyRefused(400, NOT_AS_SAID) from None
        if not given and not piece and not decompressor.is_finished():
            raise BodyRefused(400, "the compressed body ended early")
        room -= len(piece)
        if room < 0:
            raise BodyRefused(413, f"body is larger than {limit} bytes after decompression")
        if hold:
            hold(len(piece))
        pieces.append(piece)
    if at < len(data):
        raise BodyRefused(400, NOT_AS_SAID)
    return b"".join(pieces)


def _has_zlib_header(data: bytes) -> bool:
    """RFC 1950: method 8 in the low half of the first byte, and the first two bytes divisible by 31."""
    return len(data) >= 2 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0


def _read(stream: Any, limit: int) -> bytes:
    pieces: list[bytes] = []
    total, deadline = 0, time.monotonic() + DEADLINE
    while piece := stream.read(min(PIECE, limit + 1 - total)):
        pieces.append(piece)
        total += len(piece)
        if total > limit:
            raise too_large(limit)
        if time.monotonic() > deadline:
            raise too_slow()
    return b"".join(pieces)


def _stream(request: HttpRequest) -> Any:
    environ: dict[str, Any] = getattr(request, "environ", {})
    return environ["wsgi.input"] if environ.get("wsgi.input_terminated") else request
