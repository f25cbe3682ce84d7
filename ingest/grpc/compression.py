"""Compressed gRPC messages, inflated within the bound on bodies.

gRPC leaves this to us: its own bound on what comes out is checked only after it has come out, and a
broken message would be answered INTERNAL.
"""

from django.conf import settings

from ingest.load.body import BodyRefused, inflate

GZIP = b"\x1f\x8b"  # how gzip begins, and no protobuf message ever
GZIP_BITS, ZLIB_BITS = 31, 15  # zlib's words for the two


def may_be_compressed(message: bytes) -> bool:
    """Whether a message begins as gzip or zlib do (RFC 1950: 8 in the low half, divisible by 31)."""
    return message[:2] == GZIP or (message[:1] == b"\x78" and int.from_bytes(message[:2], "big") % 31 == 0)


def inflated(message: bytes) -> bytes:
    """A compressed message inflated; any other as it is. Raises `BodyRefused`."""
    limit = settings.OTLP_MAX_BODY_BYTES
    if message[:2] == GZIP:
        return inflate(message, GZIP_BITS, limit)
    try:
        return inflate(message, ZLIB_BITS, limit)
    except BodyRefused as refused:
        if refused.status == 413:
            raise
        return message  # an unknown field that looks like zlib; its checksum says that it is not
