"""Which event rows are a subject's, and deleting them, a day at a time.

The day that is being deleted is noted in the request's `progress`, so that a run killed anywhere can be
resumed (`progress.py`).

A row goes when it is dated up to the erasure *or* was received by then. One that is both dated and
received later was let in by a later grant, and stays.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connections, transaction

from analytics.erasure import derived
from analytics.erasure.progress import Note, deleted_rows
from consent.models import ErasureRequest, SubjectKind

BATCH = 20_000  # rows per statement


class RowsOfSubject(NamedTuple):
    """Rows to delete: those of one table that have one of the subject's names in one column."""

    table: str
    column: str
    names: str  # 'subject', 'sessions' or 'both'


# Rows that name the user's sessions go last: whoever starts from a backup taken mid-run still finds them all.
ROWS_OF_USER = (
    RowsOfSubject("analytics_feature_usage", "user_id", "both"),
    RowsOfSubject("analytics_endpoint_usage", "user_id", "both"),
    RowsOfSubject("analytics_user_activity", "user_id", "sessions"),
    RowsOfSubject("analytics_user_activity", "user_id", "subject"),
)
ROWS_OF_ORGANIZATION = (
    RowsOfSubject("analytics_feature_usage", "organization_id", "subject"),
    RowsOfSubject("analytics_endpoint_usage", "organization_id", "subject"),
    RowsOfSubject("analytics_user_activity", "organization_id", "subject"),
)
DUE = """{column} = ANY(%(names)s) AND ("timestamp" <= %(until)s OR received_at <= %(until)s)"""
WITHIN_DAY = '"timestamp" >= %(start)s AND "timestamp" < %(end)s'
FIRST_AND_LAST = 'SELECT min("timestamp"), max("timestamp") FROM {table}'
COUNT_DAY = f"SELECT count(*) FROM {{table}} WHERE {DUE} AND {WITHIN_DAY}"
ANY_LEFT = f"SELECT EXISTS (SELECT FROM {{table}} WHERE {DUE})"
# By the whole key, and counted in SQL: both work on distributed tables too.
DELETE_DAY = f"""
WITH gone AS (
    DELETE FROM {{table}}
     WHERE {WITHIN_DAY} AND ("timestamp", user_id, id) IN
           (SELECT "timestamp", user_id, id FROM {{table}} WHERE {DUE} AND {WITHIN_DAY} LIMIT %(batch)s)
    RETURNING 1)
SELECT count(*) FROM gone
"""


def delete_event_rows(request: ErasureRequest, sessions: list[str], *, give_up_at: float, note: Note) -> bool:
    """Delete the subject's rows day by day; False when time was up (`give_up_at`, of the monotonic clock)."""
    for number, (rows, parameters) in enumerate(_rows_due(request, sessions)):
        days = _days_of(rows.table)
        for done, day in enumerate(days):
            note(f"{rows.table} ({rows.names})", done, len(days))
            place = [number, day.date().isoformat()]
            last_place = request.progress.get("day")
            if last_place and place < last_place["at"]:
                continue
            if time.monotonic() > give_up_at:
                return False
            _delete_day(request, rows, place, parameters | {"start": day, "end": day + timedelta(days=1)})
    return True


def are_rows_left(request: ErasureRequest, sessions: list[str], table: str) -> bool:
    """Whether an event table still has rows that should be gone."""
    with connections["analytics"].cursor() as cursor:
        for rows, parameters in _rows_due(request, sessions):
            if rows.table == table:
                cursor.execute(ANY_LEFT.format(table=table, column=rows.column), parameters)
                if cursor.fetchone()[0]:
                    return True
    return False


def _rows_due(request: ErasureRequest, sessions: list[str]) -> list[tuple[RowsOfSubject, dict[str, Any]]]:
    """What to delete, in this order, each with its parameters."""
    names = {"subject": [request.pseudonym], "sessions": sessions, "both": [request.pseudonym, *sessions]}
    tables = ROWS_OF_USER if request.kind == SubjectKind.USER else ROWS_OF_ORGANIZATION
    return [
        (rows, {"names": names[rows.names], "until": request.until}) for rows in tables if names[rows.names]
    ]


def _days_of(table: str) -> list[datetime]:
    """The days (UTC) from a table's first row to its last."""
    with connections["analytics"].cursor() as cursor:
        cursor.execute(FIRST_AND_LAST.format(table=table))
        first, last = cursor.fetchone()
    if first is None:
        return []
    start = first.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return [start + timedelta(days=number) for number in range((last - start).days + 1)]


def _delete_day(
    request: ErasureRequest, rows: RowsOfSubject, place: list[Any], parameters: dict[str, Any]
) -> None:
    last_place = request.progress.get("day")
    is_counted = last_place is not None and last_place["at"] == place
    if not is_counted and not _count_day(request, rows, place, parameters):
        return
    statement = DELETE_DAY.format(table=rows.table, column=rows.column)
    deleted = BATCH
    while deleted == BATCH:
        with transaction.atomic(using="analytics"), connections["analytics"].cursor() as cursor:
            cursor.execute(statement, parameters | {"batch": BATCH})
            deleted = cursor.fetchone()[0]
            for tables in derived.DERIVED:
                tables.touched(cursor, rows.table, parameters["start"], parameters["end"])


def _count_day(
    request: ErasureRequest, rows: RowsOfSubject, place: list[Any], parameters: dict[str, Any]
) -> int:
    """Count the day's rows, and save the count together with the day."""
    with connections["analytics"].cursor() as cursor:
        cursor.execute(COUNT_DAY.format(table=rows.table, column=rows.column), parameters)
        count = int(cursor.fetchone()[0])
    if count:
        request.progress["day"] = {"at": place}
        deleted_rows(request)[rows.table] = deleted_rows(request).get(rows.table, 0) + count
        request.save(update_fields=["progress"])
    return count
