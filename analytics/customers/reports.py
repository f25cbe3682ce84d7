"""Stores what customers' collectors report: numbers, under the organization's pseudonym.

A report sent again changes nothing, and a corrected one replaces the earlier one.
"""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import NamedTuple

from django.db import connections, transaction

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
UPSERT = """
INSERT INTO {table} AS known (organization_id, {moment}, {numbers}, received_at)
VALUES (%s, %s, %s::jsonb, now())
    ON CONFLICT (organization_id, {moment}) DO UPDATE
   SET {numbers} = excluded.{numbers}, received_at = excluded.received_at
 WHERE known.{numbers} <> excluded.{numbers}
RETURNING xmax = 0
"""
UPSERT_HEARTBEAT = UPSERT.format(
    table=CustomerHeartbeat._meta.db_table, moment='"timestamp"', numbers="metrics"
)
UPSERT_ANALYTICS = UPSERT.format(table=CustomerAnalytics._meta.db_table, moment='"date"', numbers="analytics")


def record_heartbeat(
    *, organization: str, timestamp: datetime, metrics: Mapping[str, object], do_not_track: bool = False
) -> RecordedReport:
    """Store the numbers of one moment for an organization (a pseudonym), unless something forbids it."""
    return _record(UPSERT_HEARTBEAT, organization, timestamp, metrics, do_not_track)


def record_analytics(
    *, organization: str, day: date, analytics: Mapping[str, object], do_not_track: bool = False
) -> RecordedReport:
    """Store the numbers of one day for an organization (a pseudonym), unless something forbids it."""
    return _record(UPSERT_ANALYTICS, organization, day, analytics, do_not_track)


def _record(
    upsert: str,
    organization: str,
    moment: datetime | date,
    report: Mapping[str, object],
    do_not_track: bool,
) -> RecordedReport:
    numbers, dropped = numbers_of(report)
    with transaction.atomic(using="analytics"), connections["analytics"].cursor() as cursor:
        # As for events: the lock first, consent in a later statement (docs/architecture.md, "The barrier").
        cursor.execute(barrier.LOCK_SHARED, [barrier.LOCK_SPACE, barrier.buckets([organization])])
        if reason := _why_not_stored(organization, moment, do_not_track):
            return RecordedReport("not_kept", 0, len(report), [f"nothing was kept: {reason}"])
        cursor.execute(upsert, [organization, moment, json.dumps(numbers)])
        row = cursor.fetchone()
    outcome = "unchanged" if row is None else "stored" if row[0] else "replaced"
    warnings = [f"{number} not kept: {DROPPED[reason]}" for reason, number in dropped.items()]
    return RecordedReport(outcome, len(numbers), dropped.total(), warnings)


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
