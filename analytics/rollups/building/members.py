"""Numbers for members and groups, and the times of each member's first events.

New ones are entered under a lock that is held until the transaction ends. Versions therefore become visible
in ascending order: a reader that has seen one has seen all lower ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.db.backends.utils import CursorWrapper

from analytics.rollups.building.scan import Combination, Window, combinations
from analytics.rollups.numbers import NOTHING, Numbers, array_text, distinct
from postgres import locks

VERSIONS = 1 << 62  # a day's version is drawn at random, so that a restored backup cannot repeat one

LOOK_UP = """
SELECT hash, id, group_id, person FROM analytics_member JOIN unnest(%s::bigint[]) AS wanted ON wanted = hash
"""
ADD_GROUPS = """
INSERT INTO analytics_group (organization_id, deployment_type, is_internal, version)
SELECT organization, deployment, internal, nextval('analytics_rollup_version')
  FROM (SELECT DISTINCT *
          FROM unnest(%(organizations)s::text[], %(deployments)s::text[], %(internal)s::bool[])
            AS wanted (organization, deployment, internal)) AS new
 WHERE NOT EXISTS (SELECT FROM analytics_group WHERE organization_id = organization
                      AND deployment_type = deployment AND is_internal = internal)
"""
# A person has the number of their first member.
ADD_MEMBERS = """
WITH wanted AS (
    SELECT * FROM unnest(%(hashes)s::bigint[], %(users)s::text[], %(organizations)s::text[],
                         %(deployments)s::text[], %(internal)s::bool[], %(first_us)s::bigint[])
        AS row (hash, member_user, organization, deployment, internal, us)
), numbered AS MATERIALIZED (
    SELECT nextval(pg_get_serial_sequence('analytics_member', 'id'))::int AS id,
           hash, member_user, groups.id AS group_id,
           CASE member_user WHEN '' THEN NULL
                ELSE 'epoch'::timestamptz + us * interval '1 microsecond' END AS first_seen_at
      FROM wanted JOIN analytics_group AS groups ON organization_id = organization
       AND deployment_type = deployment AND is_internal = internal
     WHERE NOT EXISTS (SELECT FROM analytics_member AS known WHERE known.hash = wanted.hash)
), known AS (
    SELECT user_id, min(person) AS person FROM analytics_member
     WHERE user_id IN (SELECT member_user FROM numbered WHERE member_user <> '') GROUP BY 1
)
INSERT INTO analytics_member (id, hash, user_id, group_id, first_seen_at, person, version)
SELECT id, hash, member_user, group_id, first_seen_at,
       CASE member_user WHEN '' THEN 0
            ELSE coalesce(known.person, min(id) OVER (PARTITION BY member_user)) END,
       nextval('analytics_rollup_version')
  FROM numbered LEFT JOIN known ON user_id = member_user
"""
# Times only ever move back, so the order of builds does not matter.
NOTE_FIRST = """
UPDATE analytics_member AS member
   SET first_seen_at = least(first_seen_at, at), version = nextval('analytics_rollup_version')
  FROM unnest(%s::int[], %s::bigint[]) AS seen (id, us),
       LATERAL (SELECT 'epoch'::timestamptz + us * interval '1 microsecond' AS at) AS moment
 WHERE member.id = seen.id AND (first_seen_at IS NULL OR at < first_seen_at)
"""
NOTE_LOGINS = """
UPDATE analytics_member AS member
   SET first_login_at = earliest[1], next_login_at = earliest[2],
       version = nextval('analytics_rollup_version')
  FROM unnest(%s::int[], %s::bigint[], %s::bigint[]) AS seen (number, us, later_us)
  JOIN analytics_member AS present ON present.id = number,
       LATERAL (SELECT ARRAY(
           SELECT DISTINCT at FROM unnest(ARRAY[present.first_login_at, present.next_login_at,
               'epoch'::timestamptz + us * interval '1 microsecond',
               'epoch'::timestamptz + later_us * interval '1 microsecond']) AS at
            WHERE at IS NOT NULL ORDER BY at LIMIT 2) AS earliest) AS moments
 WHERE member.id = number
   AND (member.first_login_at, member.next_login_at) IS DISTINCT FROM (earliest[1], earliest[2])
"""


@dataclass(frozen=True)
class NumberedMembers:
    """The members of a day, by hash, ascending. Number 0: their rows have been deleted meanwhile."""

    hashes: Numbers
    number: Numbers
    group: Numbers
    person: Numbers  # 0: nobody

    def places(self, hashes: Numbers) -> Numbers:
        return np.searchsorted(self.hashes, hashes)


def number_members(cursor: CursorWrapper, windows: Sequence[Window]) -> NumberedMembers:
    """Numbers for all members in these windows; enters new ones, and moves first events back.

    Afterwards the lock on members is held.
    """
    hashes = distinct(np.concatenate([NOTHING, *(window.hashes for window in windows)]))
    first_us = np.full(len(hashes), np.iinfo(np.int64).max)
    for window in windows:
        places = np.searchsorted(hashes, window.hashes)
        first_us[places] = np.minimum(first_us[places], window.first_us)
    members = _look_up(cursor, hashes)
    new = members.hashes[members.number == 0]
    added: dict[int, Combination] = {}
    for window in windows:
        new_here = np.intersect1d(window.hashes, new, assume_unique=True)
        if len(new_here):
            added |= {combination.hash: combination for combination in combinations(cursor, window, new_here)}
            new = np.setdiff1d(new, np.fromiter(added, dtype=np.int64), assume_unique=True)
    cursor.execute(locks.TAKE, locks.ROLL_UP_MEMBERS)
    if added:
        ordered = sorted(added.values(), key=lambda combination: (combination.user, combination[1:]))
        first = first_us[np.searchsorted(hashes, [combination.hash for combination in ordered])]
        _enter(cursor, ordered, first.tolist())
        members = _look_up(cursor, hashes)
    named = (members.number > 0) & (members.person > 0)
    cursor.execute(NOTE_FIRST, [array_text(members.number[named]), array_text(first_us[named])])
    return members


def _look_up(cursor: CursorWrapper, hashes: Numbers) -> NumberedMembers:
    cursor.execute(LOOK_UP, [array_text(hashes)])
    rows = np.array(cursor.fetchall(), dtype=np.int64).reshape(-1, 4)
    places = np.searchsorted(hashes, rows[:, 0])
    columns = np.zeros((3, len(hashes)), dtype=np.int64)
    columns[:, places] = rows[:, 1:].T
    return NumberedMembers(hashes, *columns)


def _enter(cursor: CursorWrapper, new: list[Combination], first_us: list[int]) -> None:
    hashes, users, organizations, deployments, internal = map(list, zip(*new, strict=True))
    parameters = {
        "hashes": hashes,
        "users": users,
        "organizations": organizations,
        "deployments": deployments,
        "internal": internal,
        "first_us": first_us,
    }
    cursor.execute(ADD_GROUPS, parameters)
    cursor.execute(ADD_MEMBERS, parameters)


def note_logins(cursor: CursorWrapper, members: Numbers, at: Numbers) -> None:
    """Move members' first and next sign-ins back; `at` in microseconds since 1970, in any order."""
    order = np.lexsort((at, members))
    members, at = members[order], at[order]
    is_new = np.ones(len(at), dtype=np.bool_)
    is_new[1:] = (members[1:] != members[:-1]) | (at[1:] != at[:-1])
    members, at = members[is_new], at[is_new]
    ids, starts, sizes = np.unique(members, return_index=True, return_counts=True)
    later = np.where(sizes > 1, starts + 1, starts)  # a single one is given twice, and counts once
    cursor.execute(NOTE_LOGINS, [array_text(ids), array_text(at[starts]), array_text(at[later])])
