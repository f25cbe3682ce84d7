"""Authenticating a request by its API key: which headers may hold it, and whether it may be used.

A key is looked up by its digest, so the time that the look-up takes reveals nothing about the key.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping
from datetime import datetime

import psycopg
from django.db import connections

from consent.keys.issuing import digest_of, usable_keys
from consent.models import Key
from postgres.pipeline import Statement, ask, close_broken

KEY_HEADERS = ("authorization", "x-api-key")  # in lower case; `_key_in` reads them
CREDENTIAL_HEADERS = (*KEY_HEADERS, "origin")  # a publishable key comes with its website's origin
COLUMNS = [field.attname for field in Key._meta.concrete_fields]
USABLE = (
    "FROM consent_key WHERE digest = {} AND revoked_at IS NULL"
    " AND (expires_at IS NULL OR expires_at > statement_timestamp())"
)
FIND = f"SELECT xmin::text::bytea, {', '.join(COLUMNS)} {USABLE.format('%s')}"
VERSION = Statement(f"SELECT xmin::text::bytea {USABLE.format('$1')}", "text")
MAX_KEY_CHARACTERS = 200
MAX_CACHED = 1000  # keys of one process

_cache: dict[str, tuple[bytes | None, Key]] = {}  # by digest: the row's version, and the key


class KeyRefused(Exception):
    """No usable key. `status` is 401 (none, unknown, revoked, expired) or 403 (wrong scope, wrong origin)."""

    def __init__(self, status: int, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.reason = reason or ("no_key" if status == 401 else "wrong_scope")


def authenticate(headers: Mapping[str, str], scope: str) -> Key:
    """The key in `authorization` (Bearer, or Basic with the key as password) or `x-api-key`.

    A publishable key is valid only with one of its origins in `origin`. Header names are lower-case. Raises
    `KeyRefused`.
    """
    text = _key_in(headers)
    if not text:
        raise KeyRefused(401, "no key: send it as 'Authorization: Bearer KEY' or 'x-api-key: KEY'")
    key = _find(digest_of(text))
    if key is None:
        raise KeyRefused(401, "this key is unknown, revoked or expired")
    if scope not in key.scopes:
        raise KeyRefused(403, f"this key does not have the scope '{scope}'")
    if key.is_publishable and headers.get("origin", "") not in key.origins:
        raise KeyRefused(403, "this key is for the pages of its own websites only", reason="wrong_origin")
    return key


def _find(digest: str) -> Key | None:
    """The key with this digest, unless it is revoked or has expired.

    Every request asks, mostly for the same few keys. So a key is cached, together with its row's version
    (`xmin`), and the row is read again only when its version has changed.
    """
    default = connections["default"]
    with default.wrap_database_errors:
        default.ensure_connection()
        try:
            (versions,) = ask(default.connection, (VERSION, (digest.encode(),)))
        except psycopg.Error as error:
            close_broken(error, "default")
            raise
        if not versions.ntuples:
            return None
        version, cached = versions.get_value(0, 0), _cache.get(digest)
        if cached is None or cached[0] != version:
            cursor = psycopg.Cursor(default.connection)
            row = cursor.execute(FIND, [digest], binary=True).fetchone()
            if row is None:
                return None
            if len(_cache) >= MAX_CACHED:
                _cache.clear()
            cached = _cache[digest] = row[0], Key.from_db("default", COLUMNS, row[1:])
    return cached[1]


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


def note_use(key_ids: Iterable[int], at: datetime) -> None:
    """Record when keys were last used. The time never moves back."""
    Key.objects.filter(pk__in=list(key_ids)).exclude(last_used_at__gte=at).update(last_used_at=at)


def publishable_origins() -> set[str]:
    """The websites of all usable publishable keys: their pages may send."""
    keys = usable_keys().filter(is_publishable=True)
    return {origin for origins in keys.values_list("origins", flat=True) for origin in origins}
