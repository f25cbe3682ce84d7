"""The vendor's side: what a licence key stands for, and what customers' collectors report.

Of a report only names and finite numbers are kept, under the organization's pseudonym: with no text
in it there is nothing personal to tell. What is sent again changes nothing, and a corrected report
replaces the earlier one.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connections, transaction

from analytics.models import CustomerAnalytics, CustomerHeartbeat, License
from consent.decisions.status import state_now
from consent.decisions.tombstones import erased_until
from consent.gate import barrier
from consent.gate.switches import base_allowed
from consent.models import Key, State, SubjectKind
from consent.registry.personal_data import finding, is_denied_name

EXPIRES_SOON = timedelta(days=30)
MAX_NUMBERS = 200  # in one report
MAX_NAME = 100  # characters
MAX_NUMBER = 2**63  # what a signed 64-bit counter reaches
FORM = f"1 to {MAX_NAME} letters, digits, '_', '.' or '-', the first one a letter"
NAME = re.compile(rf"[A-Za-z][A-Za-z0-9_.-]{{0,{MAX_NAME - 1}}}")

DROPPED = {
    "not_a_number": "no finite number below 2^63",
    "bad_name": f"a name other than {FORM}",
    "personal_name": "a name that looks personal or secret",
    "too_many": f"more than {MAX_NUMBERS} of them",
}


class Terms(NamedTuple):
    """What a licence key is worth. `expires_at` is UTC; None: never."""

    valid: bool
    customer_name: str
    entitlements: dict[str, Any]
    expires_at: datetime | None
    warnings: list[str]


def terms_of(key: Key, *, now: datetime) -> Terms:
    """The terms recorded for a key in use. Without a record: valid, and entitled to nothing."""
    licence = License.objects.filter(key_id=key.pk).first()
    if licence is None:
        return Terms(True, key.name, {}, None, ["no terms are recorded for this licence"])
    ends = licence.expires_at
    if ends is not None and ends <= now:
        return Terms(False, licence.customer_name, {}, ends, [f"this licence expired on {ends:%F}"])
    soon = ends is not None and ends - now <= EXPIRES_SOON
    warnings = [f"this licence expires on {ends:%F}"] if soon else []
    return Terms(True, licence.customer_name, licence.entitlements, ends, warnings)


def no_terms(warning: str) -> Terms:
    """For a key that is unknown or revoked."""
    return Terms(False, "", {}, None, [warning])


def entitlements_fault(entitlements: object) -> str:
    """What is wrong with what an admin typed as entitlements, in a sentence; '' when nothing is."""
    if not isinstance(entitlements, dict):
        return "Write a JSON object: names to numbers, true or false, or short texts."
    for name, value in entitlements.items():
        if not NAME.fullmatch(name):
            return f"A name has {FORM}."
        if not isinstance(value, bool | int | float | str) or len(str(value)) > MAX_NAME:
            return f"“{name}” is no number, true or false, or text of at most {MAX_NAME} characters."
    return ""


class Recorded(NamedTuple):
    """What became of a report, and of the numbers in it."""

    outcome: str  # 'stored', 'replaced', 'unchanged' or 'not_kept'
    kept: int
    dropped: int
    warnings: list[str]


# The last report wins; `<>` on jsonb is by meaning, so the same numbers sent again leave the row alone.
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
) -> Recorded:
    """Keep the numbers of one moment for an organization (a pseudonym), unless it must not be kept."""
    return _record(UPSERT_HEARTBEAT, organization, timestamp, metrics, do_not_track)


def record_analytics(
    *, organization: str, day: date, analytics: Mapping[str, object], do_not_track: bool = False
) -> Recorded:
    """Keep the numbers of one day for an organization (a pseudonym), unless it must not be kept."""
    return _record(UPSERT_ANALYTICS, organization, day, analytics, do_not_track)


def _record(
    upsert: str,
    organization: str,
    moment: datetime | date,
    sent: Mapping[str, object],
    do_not_track: bool,
) -> Recorded:
    kept, dropped = numbers_of(sent)
    with transaction.atomic(using="analytics"), connections["analytics"].cursor() as cursor:
        # As for events: the lock first, consent in a later statement (docs/architecture.md, "The barrier").
        cursor.execute(barrier.LOCK_SHARED, [barrier.LOCK_SPACE, barrier.buckets([organization])])
        if reason := _why_not(organization, moment, do_not_track):
            return Recorded("not_kept", 0, len(sent), [f"nothing was kept: {reason}"])
        cursor.execute(upsert, [organization, moment, json.dumps(kept)])
        row = cursor.fetchone()
    outcome = "unchanged" if row is None else "stored" if row[0] else "replaced"
    warnings = [f"{number} not kept: {DROPPED[reason]}" for reason, number in dropped.items()]
    return Recorded(outcome, len(kept), dropped.total(), warnings)


def _why_not(organization: str, moment: datetime | date, do_not_track: bool) -> str:
    """The most restrictive of signal, instance switch, organization and erasure; '' when none objects."""
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
        return "what the organization sent of that time was erased"
    return ""


def _is_up_to(moment: datetime | date, until: datetime) -> bool:
    return moment <= until if isinstance(moment, datetime) else moment <= until.astimezone(UTC).date()


def numbers_of(sent: Mapping[str, object]) -> tuple[dict[str, int | float], Counter[str]]:
    """The names and numbers that may be kept, and how many were dropped, by reason (see `DROPPED`)."""
    kept: dict[str, int | float] = {}
    dropped: Counter[str] = Counter()
    for name, value in sent.items():
        if not NAME.fullmatch(name):
            dropped["bad_name"] += 1
        elif is_denied_name(name) or finding(name):
            dropped["personal_name"] += 1
        elif isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < MAX_NUMBER:
            dropped["not_a_number"] += 1
        elif len(kept) == MAX_NUMBERS:
            dropped["too_many"] += 1
        else:
            kept[name] = value
    return kept, dropped
