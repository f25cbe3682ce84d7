"""A request's body, bounded: read within a limit and a deadline, and inflated within the same limit.

Django's own stream drops chunked bodies; granian hands them over on `wsgi.input` and says so with
`wsgi.input_terminated`.
"""

import time
import zlib
from typing import Any

from django.conf import settings
from django.http import HttpRequest

DEADLINE = 10.0  # seconds from the first byte asked for to the last one read
PIECE = 256 * 1024  # bytes
MAX_MEMBERS = 100  # gzip members in one body; each costs a copy of what follows it
CODINGS = {"": None, "identity": None, "gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's window bits


class BodyRefused(Exception):
    """The body cannot be taken. `status` is what HTTP calls it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def read_body(request: HttpRequest, *, limit: int | None = None) -> bytes:
    """The whole body, inflated; `limit` is in bytes, `OTLP_MAX_BODY_BYTES` by default.

    Raises `BodyRefused`: 400, 408, 413 or 415.
    """
    limit = settings.OTLP_MAX_BODY_BYTES if limit is None else limit
    coding = request.headers.get("Content-Encoding", "").strip().lower()
    if coding not in CODINGS:
        raise BodyRefused(415, "this Content-Encoding is not supported; there are gzip, deflate and identity")
    declared = _declared_length(request)
    if declared is not None and declared > limit:
        raise BodyRefused(413, f"body is larger than {limit} bytes")
    if declared == 0:
        return b""
    try:
        raw = _read(_stream(request), limit)
    except OSError:
        raise BodyRefused(400, "the body ended early") from None
    if declared is not None and len(raw) < declared:
        raise BodyRefused(400, f"the body ended after {len(raw)} of {declared} bytes")
    window_bits = CODINGS[coding]
    return raw if window_bits is None or not raw else inflate(raw, window_bits, limit)


def inflate(data: bytes, window_bits: int, limit: int) -> bytes:
    """`data` decompressed, all gzip members of it, at most `limit` bytes. Raises `BodyRefused`."""
    if window_bits == CODINGS["deflate"] and not _has_zlib_header(data):
        window_bits = -15  # some clients send bare deflate under this name
    pieces: list[bytes] = []
    room = limit
    for _ in range(MAX_MEMBERS):
        decompressor = zlib.decompressobj(window_bits)
        try:
            piece = decompressor.decompress(data, room + 1)
        except zlib.error:
            raise BodyRefused(400, "the body is not compressed as its Content-Encoding says") from None
        room -= len(piece)
        if room < 0:
            raise BodyRefused(413, f"body is larger than {limit} bytes after decompression")
        if not decompressor.eof:
            raise BodyRefused(400, "the compressed body ended early")
        pieces.append(piece)
        data = decompressor.unused_data.lstrip(b"\x00")
        if not data or window_bits != CODINGS["gzip"]:
            return b"".join(pieces)
    raise BodyRefused(400, f"the body has more than {MAX_MEMBERS} gzip members")


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
            raise BodyRefused(413, f"body is larger than {limit} bytes")
        if time.monotonic() > deadline:
            raise BodyRefused(408, f"the body did not arrive within {DEADLINE:g} seconds")
    return b"".join(pieces)


def _stream(request: HttpRequest) -> Any:
    environ: dict[str, Any] = getattr(request, "environ", {})
    return environ["wsgi.input"] if environ.get("wsgi.input_terminated") else request


def _declared_length(request: HttpRequest) -> int | None:
    text = request.headers.get("Content-Length", "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise BodyRefused(400, "Content-Length is not a number")
    return int(text[:20])
