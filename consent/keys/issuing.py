"""Issuing and revoking API keys. A key's text is shown once, when it is made.

A key is stored only as a digest. It has 256 bits of randomness, so one round of SHA-256 is enough: there is
nothing to guess.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable
from urllib.parse import urlsplit

from django.utils import timezone

from consent.models import Key, Scope

PREFIX = "cnd_"
PUBLISHABLE_PREFIX = "cnd_pub_"
DEFAULT_PORTS = {"http": 80, "https": 443}
ORIGIN_HOST = re.compile(r"[a-z0-9.-]+|[0-9a-f:]+")


def issue_key(
    *,
    name: str,
    scopes: Iterable[str],
    organization_pseudonym: str = "",
    origins: Iterable[str] = (),
    requests_per_second: int | None = None,
) -> tuple[str, Key]:
    """Make a key. Returns its text, which cannot be shown again, and its row.

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
    text = prefix + secrets.token_urlsafe(32)
    key = Key.objects.create(
        name=name.strip()[:100],
        digest=digest_of(text),
        hint=text[: len(prefix) + 4],
        scopes=values,
        organization=organization_pseudonym,
        is_publishable=bool(websites),
        origins=websites,
        requests_per_second=requests_per_second,
    )
    return text, key


def revoke_key(*, key: Key) -> None:
    """Refuse the key from the next request on. Revoking it again changes nothing."""
    Key.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())


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
