"""Pseudonyms: the only form in which ids of people, organizations, sessions and installations are stored.

A pseudonym is HMAC-SHA256 of the id under `ID_HASH_KEY`, cut to 32 hex digits. Without the key, not even a
guessable id (a customer number, an e-mail address) can be looked up. With it, it can: the data is
pseudonymous, not anonymous.
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache

from django.conf import settings

ANONYMOUS = "anon:"
KINDS = frozenset({"user", "organization", "session", "installation"})
MAX_ID = 1024  # characters of a raw id
NO_ID = frozenset({"", "none", "null", "undefined", "nan"})  # what apps send in place of no id


def pseudonym(kind: str, raw: str) -> str:
    """32 hex digits for one raw id. `kind` keeps a user and an organization with the same id apart."""
    return pseudonyms(kind)(raw)


def pseudonyms(kind: str) -> Callable[[str], str]:
    """The function that makes pseudonyms of a kind, for many ids, under the current key."""
    if kind not in KINDS:
        raise ValueError(f"no such kind of id: {kind}")
    return _keyed(settings.ID_HASH_KEY, kind)


@lru_cache(maxsize=16)
def _keyed(key: str, kind: str) -> Callable[[str], str]:
    """HMAC (RFC 2104) with key and kind hashed once: 0.7 µs an id, where copying an `hmac` takes 1.2."""
    block = key.encode()
    block = (hashlib.sha256(block).digest() if len(block) > 64 else block).ljust(64, b"\0")
    keyed_inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + kind.encode() + b"\0")
    keyed_outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def pseudonym_of(raw: str) -> str:
        inner, outer = keyed_inner.copy(), keyed_outer.copy()
        inner.update(raw.encode("utf-8", "surrogatepass"))
        outer.update(inner.digest())
        return outer.hexdigest()[:32]

    return pseudonym_of


def demo_id(kind: str, number: int) -> str:
    """The raw id of a subject or session of the demo data, which is nobody's."""
    return f"demo-{kind}-{number}"


def is_pseudonym(text: str) -> bool:
    """Whether `text` has the form of a pseudonym (32 lower-case hex digits)."""
    return len(text) == 32 and all(character in "0123456789abcdef" for character in text)


def anonymous_user(*, session: str = "", installation: str = "", organization: str = "") -> str:
    """The `user_id` of an event that names no user, 32 characters: `anon:` and 27 hex digits.

    Made from the first of these pseudonyms that is not empty; 27 zeros if all are.
    """
    return ANONYMOUS + ((session or installation or organization)[:27] or "0" * 27)


def keyed_digest(content: bytes, size: int) -> bytes:
    """`size` bytes (at most 64) of BLAKE2b under `ID_HASH_KEY`; for row ids, where speed counts."""
    return hashlib.blake2b(content, digest_size=size, key=settings.ID_HASH_KEY.encode()[:64]).digest()
