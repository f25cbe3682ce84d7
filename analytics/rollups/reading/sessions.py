"""Sessions and sign-ins of some days."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from analytics.rollups.numbers import NEVER, NOTHING, Numbers, distinct
from analytics.rollups.reading.named_sets import NamedSets
from analytics.rollups.reading.segments import Crowd

US_A_SECOND = 1_000_000
PLACES = 1 << 20


class SessionFigures(NamedTuple):
    """Sessions that have a part in the days, and sign-ins, of identified people."""

    users: int
    sessions: int
    median_seconds: float | None
    sign_ins: int
    signed_in: int

    @classmethod
    def of(
        cls, crowd: Crowd, sign_ins: Iterable[NamedSets[str]], parts: Iterable[Numbers]
    ) -> "SessionFigures":
        """The figures of a crowd. `parts` of sessions have four rows, as building packs them."""
        some = list(sign_ins)
        members = np.concatenate([NOTHING, *(one.members for one in some)])
        counts = np.concatenate([NOTHING, *(one.count for one in some if one.count is not None)])
        counted = crowd.counts[members]
        columns = np.concatenate([np.empty((4, 0), dtype=np.int64), *parts], axis=1)
        session, member, begin, length = columns[:, crowd.counts[columns[1]]]
        length = _one_each(session, begin, length)
        return cls(
            users=_distinct(crowd.person[member]),
            sessions=len(length),
            median_seconds=float(np.median(length)) / US_A_SECOND if len(length) else None,
            sign_ins=int(counts[counted].sum()),
            signed_in=_distinct(crowd.person[members[counted]]),
        )


def _distinct(persons: Numbers) -> int:
    seen = np.zeros(int(persons.max(initial=0)) + 1, dtype=np.bool_)
    seen[persons] = True
    return int(np.count_nonzero(seen))


def _one_each(session: Numbers, begin: Numbers, length: Numbers) -> Numbers:
    """The lengths. A session with parts on several days, or of several members, counts once, as a whole."""
    ordered = np.sort(session)
    several = distinct(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(several):
        return length
    maybe = np.zeros(PLACES, dtype=np.bool_)
    maybe[several & (PLACES - 1)] = True
    places = np.flatnonzero(maybe[session & (PLACES - 1)])
    number = np.searchsorted(several, session[places])
    places = places[several[np.minimum(number, len(several) - 1)] == session[places]]
    number = np.searchsorted(several, session[places])
    first, last = np.full(len(several), NEVER), np.zeros(len(several), dtype=np.int64)
    np.minimum.at(first, number, begin[places])
    np.maximum.at(last, number, begin[places] + length[places])
    alone = np.ones(len(session), dtype=np.bool_)
    alone[places] = False
    return np.concatenate([length[alone], last - first])
