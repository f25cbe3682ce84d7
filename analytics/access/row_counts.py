"""How many events of each kind are stored about one user, and from which days."""

from datetime import date
from typing import NamedTuple

from analytics.erasure.aliases import SESSIONS_OF_USER
from analytics.storage.event_tables import TABLES
from consent.pseudonyms import ANONYMOUS
from postgres.timeouts import TookTooLong, time_limited_cursor

TIMEOUT = "5s"
KINDS = {"activity": "Signing in and sessions", "endpoint": "Requests", "feature": "Use of features"}
# One statement for all tables, so that one time limit covers them.
SESSIONS = f"WITH sessions (name) AS MATERIALIZED ({SESSIONS_OF_USER}) "
COUNT = """
SELECT '{key}', count(*), min((timestamp AT TIME ZONE 'UTC')::date), max((timestamp AT TIME ZONE 'UTC')::date)
  FROM {table} WHERE user_id = %(subject)s OR user_id IN (SELECT name FROM sessions)
"""


class RowCount(NamedTuple):
    """Rows of one kind, and the days (UTC) of the first and the last; None when there are none."""

    kind: str
    rows: int
    first: date | None
    last: date | None


def count_rows(user: str) -> list[RowCount] | None:
    """One line for each table, by pseudonym; None when counting takes longer than a page can wait.

    As in an export, events of the user's sessions that name nobody are counted too.
    """
    selects = (COUNT.format(key=key, table=table.name) for key, table in TABLES.items())
    try:
        with time_limited_cursor("analytics", TIMEOUT) as cursor:
            cursor.execute(SESSIONS + " UNION ALL ".join(selects), {"subject": user, "anonymous": ANONYMOUS})
            counts_by_key = {key: counts for key, *counts in cursor.fetchall()}
    except TookTooLong:
        return None
    return [RowCount(KINDS[key], *counts_by_key[key]) for key in TABLES]
