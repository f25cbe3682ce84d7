"""Which rows are a subject's, and deleting them: the part of an erasure that can be killed anywhere.

What a request has done stands in its `progress`: the day under way, and the rows of each table. A
day's rows are counted and noted before they are deleted; whoever goes on after a kill deletes what
is left of that day, and does not count it again.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol

from django.db import connections, transaction

from analytics.erasure.aliases import ITS_INSTALLATIONS, ITS_SESSIONS
from analytics.models import CustomerAnalytics, CustomerHeartbeat, Installation, InstallationEvent, License
from consent.decisions.tombstones import raise_tombstones
from consent.models import ErasureRequest, Key, Organization, SubjectKind, Tombstone
from consent.pseudonyms import ANONYMOUS

BATCH = 20_000  # rows of a statement
Note = Callable[[str, int, int], object]  # what is being done, how much of it is done, of how much


class Derived(Protocol):
    """A table made from event rows, which erasure must reach too."""

    def touched(self, cursor: Any, table: str, start: datetime, end: datetime) -> None:
        """Rows of `table` dated within [start, end) are deleted in this transaction on `analytics`."""

    def erase(self, request: ErasureRequest) -> Mapping[str, int]:
        """Delete what is kept on the subject itself; rows by table. Done again, it finds nothing."""


def find_sessions(request: ErasureRequest) -> list[str]:
    """The `anon:` forms of the user's sessions, with tombstones of their own; again: those of the first time.

    Later, the rows that told them are gone.
    """
    if request.kind != SubjectKind.USER:
        return []
    known = Tombstone.objects.filter(kind=Tombstone.Kind.ANONYMOUS, user=request.pseudonym)
    if "sessions" not in request.progress:
        with connections["analytics"].cursor() as cursor:
            cursor.execute(ITS_SESSIONS, {"anonymous": ANONYMOUS, "subject": request.pseudonym})
            found = {name for (name,) in cursor.fetchall()}
        found |= set(known.values_list("subject", flat=True))  # of an earlier erasure
        with transaction.atomic(using="default"):
            raise_tombstones(Tombstone.Kind.ANONYMOUS, found, request.until, user=request.pseudonym)
            request.progress["sessions"] = len(found)
            request.save(update_fields=["progress"])
    return list(known.values_list("subject", flat=True))


# --- Small tables ----------------------------------------------------------------------------------
def delete_small_tables(request: ErasureRequest) -> None:
    """An organization's reports; unless it has only withdrawn: installations, licences, and its label."""
    if request.kind != SubjectKind.ORGANIZATION:
        return
    subject, until = request.pseudonym, request.until
    for some in reports(subject, until):
        _counted(request, some.model._meta.db_table, some.count, some.delete)
    if request.is_withdrawal:
        return
    if "installations" not in request.progress:  # told by events, which go afterwards
        request.progress["installations"] = _installations_of(subject)
    installations = Installation.objects.filter(pk__in=request.progress["installations"])
    events = InstallationEvent.objects.filter(installation__in=request.progress["installations"])
    _counted(request, "analytics_installationevent", events.count, events.delete)
    _counted(request, "analytics_installation", installations.count, installations.delete)
    keys = list(Key.objects.filter(organization=subject).values_list("pk", flat=True))
    licences = License.objects.filter(key_id__in=keys)
    _counted(request, "analytics_license", licences.count, licences.delete)
    labelled = Organization.objects.filter(pseudonym=subject).exclude(label="")
    _counted(request, "consent_organization.label", labelled.count, lambda: labelled.update(label=""))


def reports(organization: str, until: datetime) -> list[Any]:
    heartbeats = CustomerHeartbeat.objects.filter(organization_id=organization)
    days = CustomerAnalytics.objects.filter(organization_id=organization)
    return [
        heartbeats.filter(timestamp__lte=until) | heartbeats.filter(received_at__lte=until),
        days.filter(date__lte=until.astimezone(UTC).date()) | days.filter(received_at__lte=until),
    ]


def _installations_of(organization: str) -> list[int]:
    """Those that its events without user and session were sent from."""
    found: set[str] = set()
    with connections["analytics"].cursor() as cursor:
        for table in {some.table for some in ORGANIZATIONS_ROWS}:
            named = {"subject": organization, "anonymous": ANONYMOUS}
            cursor.execute(ITS_INSTALLATIONS.format(table=table), named)
            found.update(digits for (digits,) in cursor.fetchall())
        cursor.execute(
            "SELECT id FROM analytics_installation WHERE left(pseudonym, 27) = ANY(%s)", [sorted(found)]
        )
        return [key for (key,) in cursor.fetchall()]


def deleted(request: ErasureRequest) -> dict[str, int]:
    deleted: dict[str, int] = request.progress.setdefault("deleted", {})
    return deleted


def _counted(
    request: ErasureRequest, table: str, count: Callable[[], int], delete: Callable[[], object]
) -> None:
    """Note how many there are, then delete: a run killed between the two does not count again."""
    if table not in deleted(request):
        deleted(request)[table] = count()
        request.save(update_fields=["progress"])
    delete()


# --- Event tables ----------------------------------------------------------------------------------
class Rows(NamedTuple):
    """Rows of a table that go: those with one of the subject's names in a column."""

    table: str
    column: str
    whose: str  # 'subject', 'sessions' or 'both'


# The rows that tell a user's sessions go last: of a backup taken in the middle, all can be found again.
USERS_ROWS = (
    Rows("analytics_feature_usage", "user_id", "both"),
    Rows("analytics_endpoint_usage", "user_id", "both"),
    Rows("analytics_user_activity", "user_id", "sessions"),
    Rows("analytics_user_activity", "user_id", "subject"),
)
ORGANIZATIONS_ROWS = (
    Rows("analytics_feature_usage", "organization_id", "subject"),
    Rows("analytics_endpoint_usage", "organization_id", "subject"),
    Rows("analytics_user_activity", "organization_id", "subject"),
)
ONES = """{column} = ANY(%(names)s) AND ("timestamp" <= %(until)s OR received_at <= %(until)s)"""
OF_DAY = '"timestamp" >= %(start)s AND "timestamp" < %(end)s'
SPAN = 'SELECT min("timestamp"), max("timestamp") FROM {table}'
COUNT_DAY = f"SELECT count(*) FROM {{table}} WHERE {ONES} AND {OF_DAY}"
ANY_LEFT = f"SELECT EXISTS (SELECT FROM {{table}} WHERE {ONES})"
# By the whole key, and counted in SQL: both hold on distributed tables too.
DELETE_DAY = f"""
WITH gone AS (
    DELETE FROM {{table}}
     WHERE {OF_DAY} AND ("timestamp", user_id, id) IN
           (SELECT "timestamp", user_id, id FROM {{table}} WHERE {ONES} AND {OF_DAY} LIMIT %(batch)s)
    RETURNING 1)
SELECT count(*) FROM gone
"""


def rows_of(request: ErasureRequest, sessions: list[str]) -> list[tuple[Rows, dict[str, Any]]]:
    """What goes, in order, each with its parameters."""
    names = {"subject": [request.pseudonym], "sessions": sessions, "both": [request.pseudonym, *sessions]}
    some = USERS_ROWS if request.kind == SubjectKind.USER else ORGANIZATIONS_ROWS
    return [
        (rows, {"names": names[rows.whose], "until": request.until}) for rows in some if names[rows.whose]
    ]


def delete_events(
    request: ErasureRequest,
    sessions: list[str],
    *,
    derived: Sequence[Derived],
    give_up_at: float,
    note: Note,
) -> bool:
    """Day by day; False when time was up (`give_up_at`, of the monotonic clock). `progress` holds the day."""
    for number, (rows, parameters) in enumerate(rows_of(request, sessions)):
        days = _days(rows.table)
        for done, day in enumerate(days):
            note(f"{rows.table} ({rows.whose})", done, len(days))
            here = [number, day.date().isoformat()]
            under_way = request.progress.get("day")
            if under_way and here < under_way["at"]:
                continue
            if time.monotonic() > give_up_at:
                return False
            of_day = parameters | {"start": day, "end": day + timedelta(days=1)}
            _delete_day(request, rows, here, of_day, derived)
    return True


def _days(table: str) -> list[datetime]:
    """The days (UTC) that rows of a table are of, from its first to its last."""
    with connections["analytics"].cursor() as cursor:
        cursor.execute(SPAN.format(table=table))
        first, last = cursor.fetchone()
    if first is None:
        return []
    start = first.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return [start + timedelta(days=number) for number in range((last - start).days + 1)]


def _delete_day(
    request: ErasureRequest,
    rows: Rows,
    here: list[Any],
    parameters: dict[str, Any],
    derived: Sequence[Derived],
) -> None:
    under_way = request.progress.get("day")
    if under_way is None or under_way["at"] != here:
        with connections["analytics"].cursor() as cursor:
            cursor.execute(COUNT_DAY.format(table=rows.table, column=rows.column), parameters)
            count = cursor.fetchone()[0]
        if not count:
            return
        request.progress["day"] = {"at": here}
        deleted(request)[rows.table] = deleted(request).get(rows.table, 0) + count
        request.save(update_fields=["progress"])
    statement = DELETE_DAY.format(table=rows.table, column=rows.column)
    gone = BATCH
    while gone == BATCH:
        with transaction.atomic(using="analytics"), connections["analytics"].cursor() as cursor:
            cursor.execute(statement, parameters | {"batch": BATCH})
            gone = cursor.fetchone()[0]
            for one in derived:
                one.touched(cursor, rows.table, parameters["start"], parameters["end"])


def are_rows_left(request: ErasureRequest, sessions: list[str], table: str) -> bool:
    """Whether a table still has rows that should be gone."""
    if table in {model._meta.db_table for model in (CustomerHeartbeat, CustomerAnalytics)}:
        return any(rows.exists() for rows in reports(request.pseudonym, request.until))
    with connections["analytics"].cursor() as cursor:
        for rows, parameters in rows_of(request, sessions):
            if rows.table == table:
                cursor.execute(ANY_LEFT.format(table=table, column=rows.column), parameters)
                if cursor.fetchone()[0]:
                    return True
    return False
