"""The seals of the decision log: keyed digests, each over a record and the digest of the one before.

The key is derived from a secret that no database holds, so write access to the tables is not enough to add
a record or to move the signed head. What is sealed, and in which form, never changes: old records must
still verify, and migrations use these functions.
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

from django.conf import settings

START = "0" * 64  # the digest before the first record
# In this order. The number is included, so no record can take another's place.
SEALED = (
    "number",
    "subject_kind",
    "subject",
    "state",
    "level",
    "policy_version",
    "actor",
    "method",
    "reason",
    "effective_at",
    "recorded_at",
)


def seal(previous: str, record: Sequence[object]) -> str:
    """64 hex digits for a record (the values of `SEALED`) after the record sealed `previous`."""
    texts = [_moment(value) if isinstance(value, datetime) else value for value in record]
    content = json.dumps([previous, *texts], separators=(",", ":")).encode()
    return hashlib.blake2b(content, digest_size=32, key=_key(), person=b"decision").hexdigest()


def signature(count: int, digest: str) -> str:
    """64 hex digits for the head: the number of records, and the last one's seal."""
    content = json.dumps([count, digest]).encode()
    return hashlib.blake2b(content, digest_size=32, key=_key(), person=b"head").hexdigest()


def is_signed(count: int, digest: str, signed: str) -> bool:
    return hmac.compare_digest(signature(count, digest), signed)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _key() -> bytes:
    return _derived(settings.CONSENT_LOG_KEY or settings.ID_HASH_KEY)


@lru_cache(maxsize=8)
def _derived(secret: str) -> bytes:
    return hmac.digest(secret.encode(), b"candid: decision log", "sha256")
