"""The sets of people that outlive their rows: who was active on the last 27 sealed days, and who signed in.

Windows of the days after a seal reach into sealed days. With these sets they stay exact, and a withdrawal or
an erasure reaches them. They go when the days after them are sealed: a month after their rows, as a rule.
People who are in no other set keep their name that long, but are new when they come back.
"""

import secrets

import numpy as np
from django.db.backends.utils import CursorWrapper
from pyroaring import BitMap

from analytics.rollups.building import build
from analytics.rollups.building.erasing import FORGET_MEMBERS
from analytics.rollups.building.marks import marked_days
from analytics.rollups.building.members import VERSIONS
from analytics.rollups.layout import LONGEST_WINDOW
from analytics.rollups.numbers import Numbers
from analytics.rollups.packing import unpack
from postgres import locks

KINDS = ("active", "login")
MOST_WAITING = 3  # days; when more wait to be built, nobody is forgotten yet
DROP_OLDER = """
WITH dropped AS (
    DELETE FROM analytics_rollup WHERE kind = ANY(%s) AND day IN (
        SELECT day FROM analytics_rolledday WHERE state = 'sealed'
           AND day <= (SELECT max(day) FROM analytics_rolledday WHERE state = 'sealed') - %s)
    RETURNING day)
UPDATE analytics_rolledday SET version = hashint8extended(version, %s) & %s
 WHERE day IN (SELECT day FROM dropped)
"""
SEEN = """
SELECT content FROM analytics_rollup JOIN analytics_rolledday USING (day) WHERE kind = 'active' AND state = %s
"""
NAMED_MEMBERS = "SELECT id, person FROM analytics_member WHERE user_id <> ''"
FORGET_FIRSTS = """
UPDATE analytics_member
   SET first_seen_at = NULL, first_login_at = NULL, next_login_at = NULL,
       version = nextval('analytics_rollup_version')
 WHERE id = ANY(%s) AND first_seen_at IS NOT NULL
"""


def drop_older(cursor: CursorWrapper) -> None:
    """Drop the sets of sealed days that no window of an open day reaches into."""
    cursor.execute(DROP_OLDER, [list(KINDS), LONGEST_WINDOW - 1, secrets.randbelow(VERSIONS), VERSIONS - 1])


def forget_who_is_gone(cursor: CursorWrapper) -> None:
    """Forget people who are in no set; those who are in a kept set only lose their first day.

    All members of a person are forgotten together: one not seen lately may hold the first day. While many
    days wait to be built, it is unknown who was seen, so this is left to the next month.
    """
    waiting = marked_days()
    if len(waiting) > MOST_WAITING:
        return
    for day in waiting:
        build.build_day(day)
    cursor.execute(locks.TAKE, locks.ROLL_UP_MEMBERS)
    cursor.execute(NAMED_MEMBERS)
    members: Numbers = np.array(cursor.fetchall(), dtype=np.int64).reshape(-1, 2)
    number, person = members.T
    present, lately = (person[np.isin(number, _seen(cursor, state))] for state in ("open", "sealed"))
    is_new_again = ~np.isin(person, present)
    is_gone = is_new_again & ~np.isin(person, lately)
    cursor.execute(FORGET_MEMBERS, [number[is_gone].tolist()])
    cursor.execute(FORGET_FIRSTS, [number[is_new_again & ~is_gone].tolist()])


def _seen(cursor: CursorWrapper, state: str) -> Numbers:
    """The members who are in a set of any day of this state."""
    seen = BitMap()
    cursor.execute(SEEN, [state])
    for (content,) in cursor.fetchall():
        seen |= BitMap.deserialize(unpack(content)[1])
    return np.asarray(seen.to_array(), dtype=np.int64)
