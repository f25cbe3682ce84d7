"""API keys: issued, shown once, authenticated with each request, revoked."""

from consent.keys.authentication import (
    CREDENTIAL_HEADERS,
    KEY_HEADERS,
    KeyRefused,
    authenticate,
    note_use,
    publishable_origins,
)
from consent.keys.issuing import digest_of, issue_key, origin_of, revoke_key

__all__ = [
    "CREDENTIAL_HEADERS",
    "KEY_HEADERS",
    "KeyRefused",
    "authenticate",
    "digest_of",
    "issue_key",
    "note_use",
    "origin_of",
    "publishable_origins",
    "revoke_key",
]
