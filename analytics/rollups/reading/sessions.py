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
        login_sets = list(sign_ins)
        members = np.concatenate([NOTHING, *(sets.members for sets in login_sets)])
        counts = np.concatenate([NOTHING, *(sets.count for sets in login_sets if sets.count is not None)])
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
    repeated = distinct(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(repeated):
        return length
    may_repeat = np.zeros(PLACES, dtype=np.bool_)
    may_repeat[repeated & (PLACES - 1)] = True
    places = np.flatnonzero(may_repeat[session & (PLACES - 1)])
    number = np.searchsorted(repeated, session[places])
    places = places[repeated[np.minimum(number, len(repeated) - 1)] == session[places]]
    number = np.searchsorted(repeated, session[places])
    first, last = np.full(len(repeated), NEVER), np.zeros(len(repeated), dtype=np.int64)
    np.minimum.at(first, number, begin[places])
    np.maximum.at(last, number, begin[places] + length[places])
    is_single = np.ones(len(session), dtype=np.bool_)
    is_single[places] = False
    return np.concatenate([length[is_single], last - first])
