"""API keys: how one is made, shown once, looked up and revoked.

A key is stored only as a digest. It is 256 bits of randomness, so one round of SHA-256 is enough:
there is nothing to guess, and an index look-up of a digest tells an attacker's clock nothing.
"""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime

from django.utils import timezone

from consent.models import Key, Scope

PREFIX = "cnd_"
MAX_KEY_CHARACTERS = 200


class KeyRefused(Exception):
    """No usable key. `status` is 401 (none, unknown, revoked) or 403 (lacks the scope)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def issue_key(*, name: str, scopes: Iterable[str], organization_pseudonym: str = "") -> tuple[str, Key]:
    """Make a key: its text, which cannot be shown again, and the row that stands for it."""
    wanted = sorted({Scope(scope).value for scope in scopes})
    if not wanted:
        raise ValueError("a key needs at least one scope")
    if not name.strip():
        raise ValueError("a key needs a name")
    text = PREFIX + secrets.token_urlsafe(32)
    key = Key.objects.create(
        name=name.strip()[:100],
        digest=digest_of(text),
        hint=text[:8],
        scopes=wanted,
        organization=organization_pseudonym,
    )
    return text, key


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def authenticate(headers: Mapping[str, str], scope: str) -> Key:
    """The key that a request shows in `authorization` (Bearer, or Basic: the password) or `x-api-key`.

    Header names are lower-case. Raises `KeyRefused`.
    """
    text = _key_in(headers)
    if not text:
        raise KeyRefused(401, "no key: send it as 'Authorization: Bearer KEY' or 'x-api-key: KEY'")
    key = Key.objects.filter(digest=digest_of(text), revoked_at=None).first()
    if key is None:
        raise KeyRefused(401, "this key is unknown or revoked")
    if scope not in key.scopes:
        raise KeyRefused(403, f"this key does not have the scope '{scope}'")
    return key


def _key_in(headers: Mapping[str, str]) -> str:
    method, _, value = headers.get("authorization", "").strip().partition(" ")
    value = value.strip()
    if method.lower() == "bearer":
        text = value
    elif method.lower() == "basic":
        try:
            text = base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            text = ""
    else:
        text = headers.get("x-api-key", "").strip()
    return text if len(text) <= MAX_KEY_CHARACTERS else ""


def revoke_key(*, key: Key) -> None:
    """From the next request on the key is refused. Revoking twice changes nothing."""
    Key.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())


def note_use(key_ids: Iterable[int], at: datetime) -> None:
    """Remember when keys were last used; never moves the time back."""
    Key.objects.filter(pk__in=list(key_ids)).exclude(last_used_at__gte=at).update(last_used_at=at)
