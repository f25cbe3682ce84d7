"""What is held of one user, counted: how many events of each kind, and from which days."""

from datetime import date
from typing import NamedTuple

from analytics.linked import ITS_SESSIONS
from analytics.patience import TookTooLong, patient_cursor
from analytics.store import TABLES
from consent.pseudonyms import ANONYMOUS

TIMEOUT = "5s"  # of a statement
KINDS = {"activity": "Signing in and sessions", "endpoint": "Requests", "feature": "Use of features"}
# Reached by the table's name, of which there are three, and by no other.
COUNT = """
SELECT count(*), min((timestamp AT TIME ZONE 'UTC')::date), max((timestamp AT TIME ZONE 'UTC')::date)
  FROM {table} WHERE user_id = %s OR user_id = ANY(%s)
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
    try:
        with patient_cursor(TIMEOUT) as cursor:
            cursor.execute(ITS_SESSIONS, {"subject": user, "anonymous": ANONYMOUS})
            sessions = [name for (name,) in cursor.fetchall()]
            found = []
            for key, table in TABLES.items():
                cursor.execute(COUNT.format(table=table.name), [user, sessions])
                found.append(Held(KINDS[key], *cursor.fetchone()))
            return found
    except TookTooLong:
        return None
