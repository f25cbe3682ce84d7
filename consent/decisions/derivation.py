"""What the gate's table must hold, derived from the decision log alone.

Written a second time on purpose: nothing here calls what writes the table (`recording.py`,
`stale_grants.py`), so that a mistake there is found as well as a change by hand. The facts are those that the
log seals: states, their order, and the times from which they apply (`effective_at`, as it was clamped).
Material changes come from the policy versions.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from consent.models import State

# A denial takes no lock against publications: one that began before a publication may have been recorded
# after it without knowing of it. Clocks of several machines differ by less than this, too.
UNAWARE_FOR = timedelta(minutes=1)


class Sealed(NamedTuple):
    """What one record of the log says about its subject."""

    number: int
    state: str
    since: datetime  # `effective_at`
    recorded_at: datetime
    # The numbers of the subject's last denial in the whole log, and of its last `unset` after a grant; or 0.
    last_denial: int
    last_taken_back: int


Knew = Callable[[Sealed, datetime], bool]


class Stretch(NamedTuple):
    """What a row of the gate's table must say."""

    state: str
    since: datetime
    until: datetime | None
    is_superseded: bool


class Derivation:
    """The stretches of one subject, from its records in their order. Holds one record at a time.

    `material_changes` are ascending. `knew` is asked whether a record knew of a material change shortly
    before it; `had_choice` says afterwards whether that was asked.
    """

    def __init__(
        self, material_changes: Sequence[datetime], knew: Knew = lambda record, change: True
    ) -> None:
        self._material_changes = material_changes
        self._ask_whether_knew = knew
        self.had_choice = False

    def stretches(self, records: Iterable[Sealed]) -> Iterator[Stretch]:
        """Oldest first; the last one is open."""
        state, since = "", datetime.min
        for record in records:
            denied_later = record.number <= record.last_denial
            change = self._made_stale(state, since)
            if change and change <= record.since and self._knew(record, change):
                taken_back = record.number <= record.last_taken_back
                yield Stretch(state, since, change, denied_later or taken_back)
                state, since = State.STALE, change
            if state == record.state:
                continue
            if state:
                # The gate goes on reading what `unset` took back itself: that is what makes it a withdrawal.
                taken_back = record.number < record.last_taken_back
                yield Stretch(state, since, record.since, denied_later or taken_back)
            state, since = record.state, record.since
        change = self._made_stale(state, since)
        if change:
            yield Stretch(state, since, change, False)
            state, since = State.STALE, change
        if state:
            yield Stretch(state, since, None, False)

    def _made_stale(self, state: str, since: datetime) -> datetime | None:
        """The first material change after this grant began."""
        if state != State.GRANTED:
            return None
        later = bisect_right(self._material_changes, since)
        return self._material_changes[later] if later < len(self._material_changes) else None

    def _knew(self, record: Sealed, change: datetime) -> bool:
        if record.recorded_at - change >= UNAWARE_FOR:
            return True
        self.had_choice = True
        return self._ask_whether_knew(record, change)
