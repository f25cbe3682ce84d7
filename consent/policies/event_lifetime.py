"""For how many months events are kept: what is set, but no more than what was published.

A smaller `EVENT_RETENTION_MONTHS` holds at once. A larger one is a material change, and holds once a
policy that says so is published, a few seconds later at the latest.
"""

import time

from django.conf import settings

from consent.policies import publishing

ASKED_EVERY = 5.0  # seconds: ingest asks with every request

_published: tuple[float, int | None] = float("-inf"), None  # when it was read, and what


def months_kept() -> int:
    """The rule that is in force: pruning, ingest and the page for everybody go by it."""
    wanted: int = settings.EVENT_RETENTION_MONTHS
    published = months_published()
    return wanted if published is None else min(wanted, published)


def months_published() -> int | None:
    """What the last published policy says; None where there is none yet."""
    global _published
    if time.monotonic() - _published[0] > ASKED_EVERY:
        last = publishing.last_published()
        _published = time.monotonic(), last.retention_months if last else None
    return _published[1]


def forget() -> None:
    """Ask anew with the next call."""
    global _published
    _published = float("-inf"), None
