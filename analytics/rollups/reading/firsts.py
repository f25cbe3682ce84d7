"""First days: when people were seen, or signed in, for the first time."""

from dataclasses import dataclass

import numpy as np

from analytics.rollups.numbers import NEVER, Flags, Numbers
from analytics.rollups.reading.directory import MemberColumns
from analytics.rollups.reading.segments import Crowd


@dataclass(frozen=True)
class Firsts:
    """People who were in the segment on their first day anywhere. Times in µs since 1970."""

    person: Numbers
    day: Numbers  # proleptic ordinal
    # The rest is about sign-ins, and 0 for other activity:
    first_at: Numbers  # the first sign-in anywhere
    next_at: Numbers  # the earliest later one in the segment; 0: none
    first_inside: Flags  # whether the first one was in the segment


def first_days(members: MemberColumns, anywhere: Crowd, crowd: Crowd, *, is_login: bool) -> Firsts:
    """First days of the people of `crowd`, looked for in the crowd `anywhere`."""
    us = members.login_us if is_login else members.first_us
    day = members.first_days(us)
    first_day = np.full(len(members), NEVER)
    np.minimum.at(first_day, members.person[anywhere.counts], day[anywhere.counts])
    inside = np.flatnonzero(crowd.counts & (us != NEVER))
    person_inside = members.person[inside]
    is_new = np.zeros(len(members), dtype=np.bool_)
    is_new[person_inside[day[inside] == first_day[person_inside]]] = True
    person = np.flatnonzero(is_new)
    if not is_login:
        nothing = np.zeros(len(person), dtype=np.int64)
        return Firsts(person, first_day[person], nothing, nothing, nothing.astype(np.bool_))
    first_us = np.full(len(members), NEVER)
    np.minimum.at(first_us, members.person[anywhere.counts], us[anywhere.counts])
    at_first = us[inside] == first_us[person_inside]
    first_inside = np.zeros(len(members), dtype=np.bool_)
    first_inside[person_inside[at_first]] = True
    next_us = np.full(len(members), NEVER)
    np.minimum.at(next_us, person_inside, np.where(at_first, members.next_login_us[inside], us[inside]))
    next_at = np.where(next_us == NEVER, 0, next_us)[person]
    return Firsts(person, first_day[person], first_us[person], next_at, first_inside[person])
