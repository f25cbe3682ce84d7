"""Stores what customers' collectors report: numbers, under the organization's pseudonym.

A report sent again changes nothing, and a corrected one replaces the earlier one. But a key that is bound to
no organization replaces only what it has reported itself.
"""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import NamedTuple

from django.db import connections, models, transaction

from analytics.customers.reported_numbers import DROPPED, numbers_of
from analytics.models import CustomerAnalytics, CustomerHeartbeat
from consent.decisions.status import state_now
from consent.decisions.tombstones import erased_until
from consent.gate import barrier
from consent.gate.switches import base_allowed
from consent.models import State, SubjectKind


class RecordedReport(NamedTuple):
    """What became of a report, and of the numbers in it."""

    outcome: str  # 'stored', 'replaced', 'unchanged' or 'not_kept'
    kept: int
    dropped: int
    warnings: list[str]


# The last report wins. `<>` on jsonb compares values, so the same numbers sent again leave the row alone.
# A key of the organization itself, which has no `reporter`, makes the report its own.
UPSERT = """
INSERT INTO {table} AS known (organization_id, {moment}, {numbers}, reporter, received_at)
VALUES (%(organization)s, %(moment)s, %(numbers)s::jsonb, %(reporter)s, now())
    ON CONFLICT (organization_id, {moment}) DO UPDATE
   SET {numbers} = excluded.{numbers}, reporter = excluded.reporter, received_at = excluded.received_at
 WHERE CASE WHEN excluded.reporter IS NULL
            THEN known.{numbers} <> excluded.{numbers} OR known.reporter IS NOT NULL
            ELSE known.{numbers} <> excluded.{numbers} AND known.reporter = excluded.reporter END
RETURNING xmax = 0
"""
IS_THE_SAME = """
SELECT {numbers} = %(numbers)s::jsonb FROM {table}
 WHERE organization_id = %(organization)s AND {moment} = %(moment)s
"""
OF_ANOTHER_KEY = "another key has reported this already, and this key is bound to no organization"


class _Statements(NamedTuple):
    """The SQL for one kind of report."""

    upsert: str
    is_the_same: str


def _statements(model: type[models.Model], moment: str, numbers: str) -> _Statements:
    names = {"table": model._meta.db_table, "moment": f'"{moment}"', "numbers": numbers}
    return _Statements(UPSERT.format(**names), IS_THE_SAME.format(**names))


HEARTBEATS = _statements(CustomerHeartbeat, "timestamp", "metrics")
ANALYTICS = _statements(CustomerAnalytics, "date", "analytics")


def record_heartbeat(
    *,
    organization: str,
    timestamp: datetime,
    metrics: Mapping[str, object],
    reporter: int | None = None,
    do_not_track: bool = False,
) -> RecordedReport:
    """Store the numbers of one moment for an organization (a pseudonym), unless something forbids it.

    `reporter` is the id of the key, if it is bound to no organization.
    """
    return _record(HEARTBEATS, organization, timestamp, metrics, reporter, do_not_track)


def record_analytics(
    *,
    organization: str,
    day: date,
    analytics: Mapping[str, object],
    reporter: int | None = None,
    do_not_track: bool = False,
) -> RecordedReport:
    """Store the numbers of one day for an organization (a pseudonym), as `record_heartbeat` does."""
    return _record(ANALYTICS, organization, day, analytics, reporter, do_not_track)


def _record(
    statements: _Statements,
    organization: str,
    moment: datetime | date,
    report: Mapping[str, object],
    reporter: int | None,
    do_not_track: bool,
) -> RecordedReport:
    numbers, dropped = numbers_of(report)
    values = {
        "organization": organization,
        "moment": moment,
        "numbers": json.dumps(numbers),
        "reporter": reporter,
    }
    with transaction.atomic(using="analytics"), connections["analytics"].cursor() as cursor:
        # As for events: the lock first, consent in a later statement (docs/architecture.md, "The barrier").
        cursor.execute(barrier.LOCK_SHARED, [barrier.LOCK_SPACE, barrier.buckets([organization])])
        if reason := _why_not_stored(organization, moment, do_not_track):
            return _not_kept(report, reason)
        cursor.execute(statements.upsert, values)
        row = cursor.fetchone()
        if row is None and reporter is not None:
            cursor.execute(statements.is_the_same, values)
            if cursor.fetchone() != (True,):
                return _not_kept(report, OF_ANOTHER_KEY)
    outcome = "unchanged" if row is None else "stored" if row[0] else "replaced"
    warnings = [f"{number} not kept: {DROPPED[reason]}" for reason, number in dropped.items()]
    return RecordedReport(outcome, len(numbers), dropped.total(), warnings)


def _not_kept(report: Mapping[str, object], reason: str) -> RecordedReport:
    return RecordedReport("not_kept", 0, len(report), [f"nothing was kept: {reason}"])


def _why_not_stored(organization: str, moment: datetime | date, do_not_track: bool) -> str:
    """Why nothing is stored: a signal, the instance's switch, the organization's decision, or an erasure."""
    if do_not_track:
        return "the request asks not to be tracked"
    if not base_allowed():
        return "base telemetry is switched off here"
    state, _ = state_now(SubjectKind.ORGANIZATION, organization)
    if state == State.DENIED:
        return "the organization has opted out"
    if state == State.STALE:
        return "the organization has not agreed to the present policy"
    if (until := erased_until(organization)) and _is_up_to(moment, until):
        return "the organization's reports of that time were erased"
    return ""


def _is_up_to(moment: datetime | date, until: datetime) -> bool:
    return moment <= until if isinstance(moment, datetime) else moment <= until.astimezone(UTC).date()
