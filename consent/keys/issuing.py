"""Issuing, finding and revoking API keys. A key's text is shown once, when it is made.

A key is stored only as a digest. It has 256 bits of randomness, so one round of SHA-256 is enough: there is
nothing to guess. Its text has only letters, digits and underscores: Sentry's clients for JavaScript take no
others in a DSN (`https://KEY@host/1`).
"""

import hashlib
import re
import secrets
import string
from collections.abc import Iterable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.db.models import Q, QuerySet
from django.utils import timezone

from consent.models import Key, Scope

PREFIX = "cnd_"
PUBLISHABLE_PREFIX = "cnd_pub_"
CHARACTERS = string.ascii_letters + string.digits
RANDOM_CHARACTERS = 43  # 256 bits
DEFAULT_PORTS = {"http": 80, "https": 443}
LIFETIME = re.compile(r"([1-9]\d{0,3})([hd])")
LONGEST_LIFETIME = timedelta(days=3650)
ORIGIN_HOST = re.compile(r"[a-z0-9.-]+|[0-9a-f:]+")


def issue_key(
    *,
    name: str,
    scopes: Iterable[str],
    organization_pseudonym: str = "",
    origins: Iterable[str] = (),
    requests_per_second: int | None = None,
    expires_at: datetime | None = None,
) -> tuple[str, Key]:
    """Make a key. Returns its text, which cannot be shown again, and its row.

    To rotate a key, issue another one, and revoke the first when nobody uses it any more: until then, both
    are valid.
    With `origins` the key is publishable: pages of these websites may contain it, and it only sends events.
    The message of a `ValueError` is meant for the person who asked for the key.
    """
    values = sorted({Scope(scope).value for scope in scopes})
    websites = sorted({origin_of(text) for text in origins})
    if not values:
        raise ValueError("a key needs at least one scope")
    if not name.strip():
        raise ValueError("a key needs a name")
    if websites and values != [Scope.INGEST]:
        raise ValueError("a publishable key can have the scope 'ingest' only: anybody may see it")
    prefix = PUBLISHABLE_PREFIX if websites else PREFIX
    text = prefix + "".join(secrets.choice(CHARACTERS) for _ in range(RANDOM_CHARACTERS))
    key = Key.objects.create(
        name=name.strip()[:100],
        digest=digest_of(text),
        hint=text[: len(prefix) + 4],
        scopes=values,
        organization=organization_pseudonym,
        is_publishable=bool(websites),
        origins=websites,
        requests_per_second=requests_per_second,
        expires_at=expires_at,
    )
    return text, key


def revoke_key(*, key: Key) -> None:
    """Refuse the key from the next request on. Revoking it again changes nothing."""
    Key.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())


class KeyNotFound(Exception):
    """No key, or more than one, goes by this name or id; the message says what to do."""


def find_key(name_or_id: str) -> Key:
    """The key with this id, or the only usable one with this name. Raises `KeyNotFound`."""
    is_id = name_or_id.isascii() and name_or_id.isdecimal() and len(name_or_id) < 19
    if is_id and (key := Key.objects.filter(pk=int(name_or_id)).first()):
        return key
    named = list(usable_keys().filter(name=name_or_id).order_by("pk"))
    if len(named) == 1:
        return named[0]
    if not named:
        raise KeyNotFound("no usable key has this name or id; `manage.py list_keys` shows all of them")
    ids = ", ".join(str(key.pk) for key in named)
    raise KeyNotFound(f"{len(named)} usable keys have this name: revoke by id ({ids})")


def usable_keys() -> QuerySet[Key]:
    """The keys that are neither revoked nor expired."""
    return Key.objects.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()), revoked_at=None)


def lifetime(text: str) -> timedelta:
    """The time that `90d` or `12h` stands for, ten years at most. Raises `ValueError`."""
    match = LIFETIME.fullmatch(text.strip())
    lasts = timedelta(**{{"h": "hours", "d": "days"}[match[2]]: int(match[1])}) if match else timedelta()
    if not timedelta() < lasts <= LONGEST_LIFETIME:
        raise ValueError(f"write a number and h or d, at most {LONGEST_LIFETIME.days}d")
    return lasts


def origin_of(text: str) -> str:
    """A web origin as browsers write it, like `http://localhost:3000`. Raises `ValueError`."""
    message = f"{text!r} is not an origin: write it like https://app.example or http://localhost:3000"
    try:
        parts = urlsplit(text.strip().lower())
        port = parts.port
    except ValueError:
        raise ValueError(message) from None
    extra = parts.path.rstrip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in DEFAULT_PORTS or not ORIGIN_HOST.fullmatch(parts.hostname or "") or extra:
        raise ValueError(message)
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    return f"{parts.scheme}://{host}" + (
        f":{port}" if port not in (None, DEFAULT_PORTS[parts.scheme]) else ""
    )


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
