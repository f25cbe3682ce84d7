"""Erasure: everything of a subject up to a moment, from every table, with a receipt.

A request is a row of consent's (`consent/decisions/tombstones.py`), made together with its tombstone; from
then on the gate refuses what is dated up to it. Here it is worked off, by a job or a command, one run at
a time. The order is what matters:

1. a user's sessions are found and get tombstones of their own, before any row that names them goes;
2. the barrier: whatever read consent before the tombstones stood has ended;
3. rows go, a day at a time; the count of a day is noted before its rows are deleted, so that a run
   killed anywhere goes on where it was, and counts right;
4. what is derived from them goes (`DERIVED`);
5. a search through both databases and Redis, and only then the receipt.

A row that is dated *and* was received after the tombstone stays: a later grant has let it in.
"""

import time
from collections import Counter
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from analytics.erasure import receipts
from analytics.erasure.leftovers import Found, digits_of, search
from analytics.erasure.subject_rows import (
    Derived,
    Note,
    are_rows_left,
    delete_events,
    delete_small_tables,
    deleted,
    find_sessions,
)
from analytics.jobs.failures import Failures
from analytics.models import CustomerAnalytics, CustomerHeartbeat
from analytics.partitions import EVENT_TABLES, oldest_kept_month
from analytics.rollups.building import erasing as rollups
from consent.decisions.tombstones import ask_for_erasure, is_denied, raise_tombstones
from consent.gate import barrier
from consent.models import ErasureRequest, Method, SubjectKind, Tombstone
from consent.policies.event_lifetime import months_kept

A_RUN = 100  # requests of a run, which share one search
AGAIN_AFTER = timedelta(hours=1)  # for what a name was in the way of
BUDGET = 1200.0  # seconds after which a run begins nothing new
WAITING, RUNNING, DONE = ErasureRequest.State.WAITING, ErasureRequest.State.RUNNING, ErasureRequest.State.DONE

DERIVED: list[Derived] = [rollups]

# Where a name stays on purpose, and why: what a receipt lists. Found anywhere else, it is not erased.
KEPT = {
    "consent_tombstone": "refuses what arrives late",
    "consent_erasurerequest": "the request itself, with this receipt",
    "consent_decision": "the log of decisions, which is append-only",
    "consent_consentperiod": "the times with and without consent, which ingest asks",
    "consent_telemetryuser": "the present decision, which ingest asks",
    "consent_organization": "the present decision and rule, which ingest asks",
    "consent_subjectview": "who has looked at this subject",
    "consent_key": "keys that speak for this organization only",
}
# Names of newer rows, which erasure leaves.
NEWER = {(table, column) for table in EVENT_TABLES for column in ("user_id", "organization_id")}
NEWER |= {(model._meta.db_table, "organization_id") for model in (CustomerHeartbeat, CustomerAnalytics)}
NEWER |= {("analytics_user_activity", "session_id")}
NEWER |= rollups.NAMES
KEPT_NEWER = "dated and received after the erasure was asked for, under a later grant"
KEPT_SESSION = "rows of somebody else who used the same session, or newer ones"


def request_erasure(
    *, kind: SubjectKind, pseudonym: str, actor: str, method: Method, reason: str = ""
) -> ErasureRequest:
    """Ask that everything of a subject up to now be erased; the job does it within minutes.

    From now on what is dated up to now is refused. Consent for later is another matter: it stays as
    it is. Asked for again before the job has begun, it is the same request.
    """
    return ask_for_erasure(kind=kind, pseudonym=pseudonym, actor=actor, method=method, reason=reason)


class NotErased(Exception):
    """A name is still where erasure does not reach. The request stays open, and is tried again every hour."""


def due() -> QuerySet[ErasureRequest]:
    """What is to be done now, the oldest first."""
    tried_lately = Q(problem_at__gt=timezone.now() - AGAIN_AFTER)
    is_open = ErasureRequest.objects.exclude(state=DONE)
    return is_open.filter(~tried_lately | Q(problem_at=None)).order_by("id")


def work_off(*, only: int | None = None, note: Note = lambda what, done, of: None) -> str:
    """Carry out what is open (or `only` that request); what was done, in a sentence, '' when nothing was.

    For one run at a time: `jobs.run_job("erasure", …)`. What a killed run has begun is gone on with.
    Raises at the end what single requests have failed with, else `NotErased` when a name was found where
    erasure does not reach.
    """
    give_up_at = time.monotonic() + BUDGET
    searched, failures = [], Failures()
    requests = list(
        due()[:A_RUN] if only is None else ErasureRequest.objects.filter(pk=only).exclude(state=DONE)
    )
    for request in requests:
        if time.monotonic() > give_up_at:
            break
        with failures.keep(f"request {request.public_id}"):
            _begin(request)
            if _delete_everything(request, give_up_at, note):
                searched.append(request)
    finished = _search_and_finish(searched, note, failures) if searched else 0
    _forget_old_sessions()
    failures.raise_kept()
    if not requests:
        return ""
    if problems := [request.problem for request in searched if request.problem]:
        raise NotErased(f"Erased {finished} subjects, {len(problems)} not: {problems[0]}")
    left = len(requests) - finished
    return f"Erased {finished} subjects." + (f" {left} more to do." if left else "")


def _begin(request: ErasureRequest) -> None:
    """From now on asking again makes another request.

    Of a subject that is opted out now nothing may stay, whatever its sender's clock says: up to now.
    """
    with transaction.atomic(using="default"):
        request.refresh_from_db(from_queryset=ErasureRequest.objects.select_for_update())
        kind = SubjectKind(request.kind)
        if request.state == WAITING and is_denied(kind, request.pseudonym):
            request.until = max(request.until, timezone.now())
            raise_tombstones(Tombstone.Kind(kind), [request.pseudonym], request.until)
        request.state = RUNNING
        request.save(update_fields=["state", "until"])


def _delete_everything(request: ErasureRequest, give_up_at: float, note: Note) -> bool:
    """Whether all of it is gone; False when time was up."""
    sessions = find_sessions(request)
    for number in barrier.buckets([request.pseudonym, *sessions]):
        barrier.wait_for_bucket(number)
    delete_small_tables(request)
    if not delete_events(request, sessions, derived=DERIVED, give_up_at=give_up_at, note=note):
        return False
    counts = deleted(request)
    for derived in DERIVED:
        for table, rows in derived.erase(request).items():
            counts[table] = counts.get(table, 0) + rows
    request.save(update_fields=["progress"])
    return True


def _search_and_finish(requests: list[ErasureRequest], note: Note, failures: Failures) -> int:
    """Search for all of them at once; how many are done. The others say what is in the way."""
    sessions = {request.pk: find_sessions(request) for request in requests}
    note("search", 0, 1)
    found = search({name for request in requests for name in [request.pseudonym, *sessions[request.pk]]})
    finished = 0
    for request in requests:
        with failures.keep(f"request {request.public_id}"):
            finished += _finish(request, sessions[request.pk], found)
    note("search", 1, 1)
    return finished


def _finish(request: ErasureRequest, sessions: list[str], found: Found) -> bool:
    """Whether nothing was in the way of its receipt."""
    remains, problem = _judge(request, sessions, found)
    if problem:
        request.problem, request.progress["day"] = problem[:500], None
        request.problem_at = timezone.now()
        request.save(update_fields=["problem", "problem_at", "progress"])
    else:
        _give_receipt(request, remains, found)
    return not problem


def _judge(request: ErasureRequest, sessions: list[str], found: Found) -> tuple[list[dict[str, Any]], str]:
    """What stays on purpose, as the receipt says it, and what is in the way ('': nothing)."""
    names = {digits_of(name) for name in [request.pseudonym, *sessions]}
    places = Counter[tuple[str, str]]()
    for trace in found.traces:
        if trace.digits in names:
            places[trace.table, trace.column] += trace.rows
    # The receipt itself will be there, too.
    places["consent_erasurerequest", "receipt"] += 1
    remains = []
    for (table, column), rows in sorted(places.items()):
        why = KEPT.get(table) or _why_rows_stay(request, sessions, table, column)
        if not why:
            return [], f"The name is still in {table}.{column} ({rows} rows), which erasure does not reach."
        remains.append({"where": f"{table}.{column}", "rows": rows, "why": why})
    return remains, ""


def _why_rows_stay(request: ErasureRequest, sessions: list[str], table: str, column: str) -> str:
    """Of tables that erasure reaches; '' when rows are left that should be gone, or nobody thought of it."""
    is_derived = (table, column) in rollups.NAMES
    is_left = rollups.is_left(request) if is_derived else are_rows_left(request, sessions, table)
    if (table, column) not in NEWER or is_left:
        return ""
    return KEPT_SESSION if column == "session_id" else KEPT_NEWER


def _give_receipt(request: ErasureRequest, remains: list[dict[str, Any]], found: Found) -> None:
    request.finished_at = timezone.now()
    request.receipt = receipts.signed(
        {
            "id": str(request.public_id),
            "kind": request.kind,
            "subject": request.pseudonym,
            "withdrawal": request.is_withdrawal,
            "denied": is_denied(SubjectKind(request.kind), request.pseudonym),
            "asked_at": request.asked_at.astimezone(UTC).isoformat(),
            "method": request.method,
            "erased_up_to": request.until.astimezone(UTC).isoformat(),
            "finished_at": request.finished_at.astimezone(UTC).isoformat(),
            "deleted": dict(sorted(deleted(request).items())),
            "sessions": request.progress.get("sessions", 0),
            "searched": {
                "tables": found.tables,
                "columns": found.columns,
                "redis_keys": found.redis_keys,
            },
            "remains": remains,
        }
    )
    if settings.RECEIPTS_DIR:  # before it is done: a run killed here writes it again
        receipts.write(request.receipt, Path(settings.RECEIPTS_DIR) / f"{request.public_id}.json")
    request.state, request.problem, request.progress = DONE, "", {}
    request.save(update_fields=["state", "problem", "progress", "receipt", "finished_at"])


def _forget_old_sessions() -> None:
    """Ingest refuses what is older than the oldest month kept: sessions of then need no tombstones."""
    oldest = oldest_kept_month(timezone.now(), months_kept()).starts_at
    Tombstone.objects.filter(kind=Tombstone.Kind.ANONYMOUS, until__lt=oldest).delete()
