"""Keyed pseudonyms: the only form in which an id of a person, organization or installation is kept.

HMAC-SHA256 under `ID_HASH_KEY`, cut to 32 hex digits. Without the key a guessable id (a customer
number, an e-mail address) cannot be looked up; with it, it can: pseudonymous, not anonymous.
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache

from django.conf import settings

ANONYMOUS = "anon:"
KINDS = frozenset({"user", "organization", "session", "installation"})
MAX_ID = 1024  # characters of a raw id
NO_ID = frozenset({"", "none", "null", "undefined", "nan"})  # what apps write that have no id


def pseudonym(kind: str, raw: str) -> str:
    """32 hex digits for one raw id. `kind` keeps a user and an organization of the same id apart."""
    return pseudonyms(kind)(raw)


def pseudonyms(kind: str) -> Callable[[str], str]:
    """The function that makes the pseudonyms of a kind: for many ids, under the key as it is now."""
    if kind not in KINDS:
        raise ValueError(f"no such kind of id: {kind}")
    return _keyed(settings.ID_HASH_KEY, kind)


@lru_cache(maxsize=16)
def _keyed(key: str, kind: str) -> Callable[[str], str]:
    """HMAC (RFC 2104) with key and kind already hashed; `hmac` takes three times as long for short texts."""
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


def is_pseudonym(text: str) -> bool:
    """Whether `text` has the form of a pseudonym (32 lower-case hex digits)."""
    return len(text) == 32 and all(character in "0123456789abcdef" for character in text)


def anonymous_user(*, session: str = "", installation: str = "", organization: str = "") -> str:
    """The `user_id` of an event that names no user, 32 characters: `anon:` and 27 hex digits.

    Made from the first of the given pseudonyms that is not empty, and 27 zeros without any.
    """
    return ANONYMOUS + ((session or installation or organization)[:27] or "0" * 27)


def keyed_digest(content: bytes, size: int) -> bytes:
    """`size` bytes (at most 64) of BLAKE2b under `ID_HASH_KEY`: for row ids, where speed counts."""
    return hashlib.blake2b(content, digest_size=size, key=settings.ID_HASH_KEY.encode()[:64]).digest()
