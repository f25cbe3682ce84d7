"""Which rows count as internal use: those that said so, and all rows of organizations that are internal now.

Rows keep what held when they arrived. Staff may mark an organization later, or no longer, and then its past
is counted again (`building/reclassifying.py`). What arrived from an organization while it was marked counts
as others' use once it is not: nobody knows what those events said themselves.
"""

from typing import Any, NamedTuple

from django.db.backends.utils import CursorWrapper

KNOWN = """
SELECT coalesce(array_agg(organization_id) FILTER (WHERE until IS NULL), '{}'),
       coalesce(array_agg(organization_id) FILTER (WHERE until IS NOT NULL), '{}'),
       coalesce(array_agg(since) FILTER (WHERE until IS NOT NULL), '{}'),
       coalesce(array_agg(until) FILTER (WHERE until IS NOT NULL), '{}')
  FROM analytics_internaluse
"""
IS_INTERNAL = """
CASE WHEN organization_id = ANY(%(internal_now)s::text[]) THEN true
     WHEN is_internal THEN NOT EXISTS (
         SELECT FROM unnest(%(internal_once)s::text[], %(marked_since)s::timestamptz[],
                            %(marked_until)s::timestamptz[]) AS once (organization, marked, unmarked)
          WHERE organization = organization_id AND received_at BETWEEN marked AND unmarked)
     ELSE false END
"""
PARAMETERS = ("internal_now", "internal_once", "marked_since", "marked_until")


class Internal(NamedTuple):
    """A condition on a row of an event table, in SQL, and its parameters."""

    condition: str
    parameters: dict[str, Any]


AS_ARRIVED = Internal("is_internal", {})


def internal_now(cursor: CursorWrapper) -> Internal:
    """The condition that holds now, as this transaction sees it."""
    cursor.execute(KNOWN)
    row = cursor.fetchone()
    if not row[0] and not row[1]:
        return AS_ARRIVED
    return Internal(IS_INTERNAL, dict(zip(PARAMETERS, row, strict=True)))
