"""Links to a person's own page: signed, and valid for a while. Whoever has one can see the page and decide.

A link contains the pseudonym and the time at which it expires, signed with `SECRET_KEY`. No table holds it.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.core import signing
from django.utils import timezone

from consent.pseudonyms import is_pseudonym

PATH = "/privacy/mine/"
VALID = timedelta(days=7)
LONGEST = timedelta(days=30)
_SIGNER = "consent.link"
_DURATION = re.compile(r"([1-9]\d{0,4})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def make_link(user: str, *, valid: timedelta = VALID, now: datetime | None = None) -> tuple[str, datetime]:
    """The path of a user's page, and when it expires. `user` is a pseudonym, known here or not."""
    until = ((now or timezone.now()) + valid).replace(microsecond=0)
    token = signing.Signer(salt=_SIGNER).sign_object([user, int(until.timestamp())])
    return f"{PATH}{token.replace(':', '~')}/", until


class Link(NamedTuple):
    """Whose page a link opens (a pseudonym), and when it expires."""

    user: str
    until: datetime


def read_link(token: str, *, now: datetime | None = None) -> Link | None:
    """The link of a token; None if it was forged, has expired, or is not a token at all."""
    try:
        user, until = signing.Signer(salt=_SIGNER).unsign_object(token.replace("~", ":"))
    except (signing.BadSignature, ValueError, TypeError):
        return None
    if (now or timezone.now()).timestamp() >= until or not is_pseudonym(user):
        return None
    return Link(user, datetime.fromtimestamp(until, UTC))


def duration(text: str) -> timedelta:
    """The time that `7d`, `12h` or `30m` stands for, at most 30 days. Raises `ValueError`."""
    match = _DURATION.fullmatch(text.strip())
    valid = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta()
    if not timedelta() < valid <= LONGEST:
        raise ValueError(f"write a number and m, h or d, at most {LONGEST.days}d")
    return valid


def full_address(path: str, here: str = "http://localhost:8000/") -> str:
    """The full address of a path: below `PUBLIC_URL`, or below `here` if that is not set."""
    return (settings.PUBLIC_URL or here.rstrip("/")) + path
