"""How many events arrived in the last 30 days, for `/privacy/`.

Not how many were stored: whoever has a publishable key could send an event about a person and look here
whether it was, which would tell what that person has decided.
"""

import time
from typing import NamedTuple

from ingest.traffic.queries import Traffic, traffic_by_day

DAYS = 30
EVENTS = ("accepted", "duplicate", "refused")  # not rejected requests, nor spans that describe no event
COUNTED_EVERY = 60.0  # seconds


class RecentTraffic(NamedTuple):
    days: int
    arrived: int  # stored, sent again, or refused by themselves


class _Counter:
    """Counts at most once a minute: anybody may open the page, and counting reads a month of counts."""

    def __init__(self) -> None:
        self._counted: tuple[float, Traffic] | None = None

    def traffic(self, now: float) -> Traffic:
        if self._counted is None or now - self._counted[0] > COUNTED_EVERY:
            self._counted = now, traffic_by_day(DAYS)
        return self._counted[1]

    def forget(self) -> None:
        self._counted = None


counter = _Counter()


def recent_traffic(now: float | None = None) -> RecentTraffic:
    """The counts, up to a minute old. `now` is in seconds of the monotonic clock."""
    traffic = counter.traffic(time.monotonic() if now is None else now)
    records = (outcome.count for outcome in traffic.outcomes if outcome.outcome in EVENTS)
    return RecentTraffic(DAYS, sum(records))
