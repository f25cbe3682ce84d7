"""How many events arrived in the last 30 days, for `/privacy/`: stored, or dropped and why."""

import time
from typing import NamedTuple

from ingest.reasons import NOT_AGREED
from ingest.traffic.queries import Traffic, traffic_by_day

DAYS = 30
COUNTED_EVERY = 60.0  # seconds


class RecentTraffic(NamedTuple):
    days: int
    accepted: int
    no_consent: int  # somebody had not agreed, or asked not to be tracked
    other: int  # refused for any other reason


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
    no_consent = sum(
        outcome.count
        for outcome in traffic.outcomes
        if outcome.outcome == "refused" and outcome.reason in NOT_AGREED
    )
    return RecentTraffic(DAYS, traffic.accepted, no_consent, traffic.refused - no_consent)
