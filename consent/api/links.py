"""Links to a person's own page: signed, and valid for a while. Whoever has one can see the page and decide.

A link contains the pseudonym, the time at which it expires, the person's epoch and the id of the key that
made it, signed with `SECRET_KEY`. No table holds it. A withdrawal or an erasure begins another epoch: links
from before it, and links of a revoked key, show receipts only.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.core import signing
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from consent.models import Decision, ErasureRequest, Key, State, SubjectKind
from consent.pseudonyms import is_pseudonym

PATH = "/privacy/mine/"
ADDRESS_FILE = "address"  # in the data dir; `manage.py up` writes it
VALID = timedelta(days=7)
LONGEST = timedelta(days=30)
_SIGNER = "consent.link"
_EPOCH = "consent.link.epoch"
NO_KEY = 0  # made by a command
_DURATION = re.compile(r"([1-9]\d{0,4})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def make_link(
    user: str, *, valid: timedelta = VALID, key: int = NO_KEY, now: datetime | None = None
) -> tuple[str, datetime]:
    """The path of a user's page, and when it expires. `user` is a pseudonym, known here or not.

    `key` is the id of the key that asked for it.
    """
    until = ((now or timezone.now()) + valid).replace(microsecond=0)
    token = signing.Signer(salt=_SIGNER).sign_object([user, int(until.timestamp()), epoch_of(user), key])
    return f"{PATH}{token.replace(':', '~')}/", until


class Link(NamedTuple):
    """Whose page a link opens (a pseudonym), and when it expires.

    `epoch` is the person's when it was made, `key` the id of the key that made it.
    """

    user: str
    until: datetime
    epoch: str
    key: int

    def is_current(self) -> bool:
        """Whether neither a withdrawal nor an erasure came since it was made, and its key was not revoked."""
        return constant_time_compare(self.epoch, epoch_of(self.user)) and _is_unrevoked(self.key)


def read_link(token: str, *, now: datetime | None = None) -> Link | None:
    """The link of a token; None if it was forged, has expired, or is not a token at all."""
    try:
        user, until, epoch, key = signing.Signer(salt=_SIGNER).unsign_object(token.replace("~", ":"))
    except (signing.BadSignature, ValueError, TypeError):
        return None
    if (now or timezone.now()).timestamp() >= until or not is_pseudonym(user):
        return None
    return Link(user, datetime.fromtimestamp(until, UTC), epoch, key)


def epoch_of(user: str) -> str:
    """The person's present epoch, as a digest that tells nothing about them.

    It is another one after each decision that is no grant, and after each erasure that was asked for. (An
    erasure asked for while one waits joins it, and begins no epoch of its own.)
    """
    decisions = Decision.objects.filter(subject_kind=SubjectKind.USER, subject=user).exclude(
        state=State.GRANTED
    )
    seal = decisions.order_by("-number").values_list("digest", flat=True).first()
    erasures = ErasureRequest.objects.filter(kind=SubjectKind.USER, pseudonym=user)
    erasure = erasures.order_by("-pk").values_list("public_id", flat=True).first()
    return salted_hmac(_EPOCH, f"{user} {seal} {erasure}", algorithm="sha256").hexdigest()[:16]


def _is_unrevoked(key: int) -> bool:
    return key == NO_KEY or Key.objects.filter(pk=key, revoked_at=None).exists()


def duration(text: str) -> timedelta:
    """The time that `7d`, `12h` or `30m` stands for, at most 30 days. Raises `ValueError`."""
    match = _DURATION.fullmatch(text.strip())
    valid = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta()
    if not timedelta() < valid <= LONGEST:
        raise ValueError(f"write a number and m, h or d, at most {LONGEST.days}d")
    return valid


class NoAddress(Exception):
    """Nobody told this instance its own address."""


def full_address(path: str, here: str = "") -> str:
    """The full address of a path: below `PUBLIC_URL`, else below `here`, else where `up` answers.

    Raises `NoAddress` when none of them is known.
    """
    address = settings.PUBLIC_URL or here.rstrip("/") or _address_of_up()
    if not address:
        raise NoAddress("this instance's address is not known: set PUBLIC_URL")
    return address + path


def _address_of_up() -> str:
    """What `manage.py up` noted while it runs, '' otherwise."""
    try:
        return (settings.DATA_DIR / ADDRESS_FILE).read_text().strip()
    except OSError:
        return ""
