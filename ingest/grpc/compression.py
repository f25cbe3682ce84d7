"""Compressed gRPC messages, inflated within the bound on bodies.

We do this instead of gRPC, which checks its bound only after it has inflated a whole message, and answers
a broken one with INTERNAL.
"""

from django.conf import settings

from ingest.load.body import BodyRefused, inflate

GZIP = b"\x1f\x8b"  # how gzip begins, and no protobuf message can
GZIP_BITS, ZLIB_BITS = 31, 15  # zlib's window bits for the two


def may_be_compressed(message: bytes) -> bool:
    """Whether a message begins like gzip, or like zlib (RFC 1950: 8 in the low half, divisible by 31)."""
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
        return message  # plain protobuf: an unknown field happens to look like zlib's header
