"""What is held of one user, counted: how many events of each kind, and from which days."""

from datetime import date
from typing import NamedTuple

from analytics.erasure.aliases import SESSIONS_OF_USER
from analytics.storage.event_tables import TABLES
from consent.pseudonyms import ANONYMOUS
from postgres.timeouts import TookTooLong, time_limited_cursor

TIMEOUT = "5s"
KINDS = {"activity": "Signing in and sessions", "endpoint": "Requests", "feature": "Use of features"}
# One statement for all, so that there is one limit. Tables are reached by their names and by no others.
SESSIONS = f"WITH sessions (name) AS MATERIALIZED ({SESSIONS_OF_USER}) "
COUNT = """
SELECT '{key}', count(*), min((timestamp AT TIME ZONE 'UTC')::date), max((timestamp AT TIME ZONE 'UTC')::date)
  FROM {table} WHERE user_id = %(subject)s OR user_id IN (SELECT name FROM sessions)
"""


class Held(NamedTuple):
    """Rows of one kind, and the days (UTC) of the first and the last of them; None without any."""

    kind: str
    rows: int
    first: date | None
    last: date | None


def held_of(user: str) -> list[Held] | None:
    """Of a pseudonym, one line for each table; None when counting takes longer than a page can wait.

    As in an export (`subject.py`), events of the person's sessions that name nobody are counted too.
    """
    counts = (COUNT.format(key=key, table=table.name) for key, table in TABLES.items())
    try:
        with time_limited_cursor("analytics", TIMEOUT) as cursor:
            cursor.execute(SESSIONS + " UNION ALL ".join(counts), {"subject": user, "anonymous": ANONYMOUS})
            found = {key: counted for key, *counted in cursor.fetchall()}
    except TookTooLong:
        return None
    return [Held(KINDS[key], *found[key]) for key in TABLES]
