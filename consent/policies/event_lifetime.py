"""For how many months events are kept: as the setting says, but never longer than the published policy says.

A smaller `EVENT_RETENTION_MONTHS` holds at once. A larger one is a material change: it holds once a policy
that says so is published (and noticed, a few seconds later).
"""

import time

from django.conf import settings

from consent.policies.versions import last_published

ASK_EVERY = 5.0  # seconds between queries: ingest asks with every request

_published: tuple[float, int | None] = float("-inf"), None  # when the policy was read, and its months


def months_kept() -> int:
    """The months that events are kept now, for pruning, ingest and the privacy page."""
    configured: int = settings.EVENT_RETENTION_MONTHS
    published = months_published()
    return configured if published is None else min(configured, published)


def months_published() -> int | None:
    """The months of the last published policy; None before there is one."""
    global _published
    if time.monotonic() - _published[0] > ASK_EVERY:
        policy = last_published()
        _published = time.monotonic(), policy.retention_months if policy else None
    return _published[1]


def forget() -> None:
    """Ask the database again at the next call."""
    global _published
    _published = float("-inf"), None
