"""API keys: issued, shown once, authenticated with each request, revoked."""

from consent.keys.authentication import (
    CREDENTIAL_HEADERS,
    KEY_HEADERS,
    KeyRefused,
    authenticate,
    note_use,
    publishable_origins,
)
from consent.keys.issuing import (
    KeyNotFound,
    digest_of,
    find_key,
    issue_key,
    lifetime,
    origin_of,
    revoke_key,
    usable_keys,
)

__all__ = [
    "CREDENTIAL_HEADERS",
    "KEY_HEADERS",
    "KeyNotFound",
    "KeyRefused",
    "authenticate",
    "digest_of",
    "find_key",
    "issue_key",
    "lifetime",
    "note_use",
    "origin_of",
    "publishable_origins",
    "revoke_key",
    "usable_keys",
]
