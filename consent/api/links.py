"""Links to a person's own page: signed, and good for a while. Whoever has one may see and decide for them.

A link holds the pseudonym and its end, signed under `SECRET_KEY`; nothing is stored of it.
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
    """The path of a user's page, and until when it works. `user` is a pseudonym, known here or not."""
    until = ((now or timezone.now()) + valid).replace(microsecond=0)
    token = signing.Signer(salt=_SIGNER).sign_object([user, int(until.timestamp())])
    return f"{PATH}{token.replace(':', '~')}/", until


class Link(NamedTuple):
    """Whose page a link opens (a pseudonym), and until when."""

    user: str
    until: datetime


def read_link(token: str, *, now: datetime | None = None) -> Link | None:
    """What a token stands for; None when it is forged, has ended, or is no token at all."""
    try:
        user, until = signing.Signer(salt=_SIGNER).unsign_object(token.replace("~", ":"))
    except (signing.BadSignature, ValueError, TypeError):
        return None
    if (now or timezone.now()).timestamp() >= until or not is_pseudonym(user):
        return None
    return Link(user, datetime.fromtimestamp(until, UTC))


def duration(text: str) -> timedelta:
    """`7d`, `12h` or `30m`, at most 30 days. Raises `ValueError`."""
    found = _DURATION.fullmatch(text.strip())
    valid = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else timedelta()
    if not timedelta() < valid <= LONGEST:
        raise ValueError(f"a link is valid for a number of m, h or d, at most {LONGEST.days}d")
    return valid


def whole(path: str, here: str = "http://localhost:8000/") -> str:
    """The address to hand out: below `PUBLIC_URL`, else below the address that was asked."""
    return (settings.PUBLIC_URL or here.rstrip("/")) + path
