"""Carries out erasures: deletes everything of a subject up to a moment, then writes the receipt.

A request is a row (`consent/decisions/tombstones.py`), made together with its tombstone: from then on
the gate refuses what is dated up to it. A job or a command carries it out, one run at a time. The order
matters:

1. find a user's sessions and installations and give them tombstones, before any row that names them goes
   (`sessions.py`);
2. wait at the barrier until every request that read consent before there were tombstones has ended;
3. delete rows, a day at a time (`small_tables.py`, `event_rows.py`);
4. delete what was made from them (`derived.py`);
5. search both databases and Redis (`leftovers.py`), and only then sign the receipt.

A killed run is resumed where it stopped (`progress.py`).
"""

import time
from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from analytics.erasure import derived, receipts
from analytics.erasure.event_rows import delete_event_rows
from analytics.erasure.leftovers import SearchResult, search
from analytics.erasure.progress import Note, deleted_rows
from analytics.erasure.remains import judge
from analytics.erasure.sessions import find_sessions
from analytics.erasure.small_tables import delete_small_tables
from analytics.jobs.failures import Failures
from analytics.partitions import oldest_kept_month
from consent.decisions.tombstones import is_denied, raise_tombstones
from consent.decisions.withdrawn import forget_kept_rows
from consent.gate import barrier
from consent.models import ErasureRequest, SubjectKind, Tombstone
from consent.policies.event_lifetime import months_kept

REQUESTS_A_RUN = 100  # they share one search
AGAIN_AFTER = timedelta(hours=1)  # how long a request with a problem waits
CLOCKS_AGREE = timedelta(seconds=1)
BUDGET = 1200.0  # seconds; a run begins no further day after this
Stage = ErasureRequest.Stage


class NotErased(Exception):
    """A name is still where erasure does not reach. The request stays open, and is retried every hour."""


def due_requests() -> QuerySet[ErasureRequest]:
    """The requests to carry out now, the oldest first."""
    tried_lately = Q(problem_at__gt=timezone.now() - AGAIN_AFTER)
    is_open = ErasureRequest.objects.exclude(state=Stage.DONE)
    return is_open.filter(~tried_lately | Q(problem_at=None)).order_by("id")


def carry_out(*, only: int | None = None, note: Note = lambda what, done, of: None) -> str:
    """Carry out what is due (or `only` that request); returns what was done in a sentence, '' for nothing.

    One run at a time: call it through `jobs.runs.run_job("erasure", …)`. One failing request does not stop
    the others. At the end, raises what they failed with, or `NotErased`.
    """
    give_up_at = time.monotonic() + BUDGET
    emptied, failures = [], Failures()
    requests = list(
        due_requests()[:REQUESTS_A_RUN]
        if only is None
        else ErasureRequest.objects.filter(pk=only).exclude(state=Stage.DONE)
    )
    for request in requests:
        if time.monotonic() > give_up_at:
            break
        with failures.keep(f"request {request.public_id}"):
            _begin(request)
            if _delete_everything(request, give_up_at, note):
                emptied.append(request)
    finished = _search_and_finish(emptied, note, failures) if emptied else 0
    _forget_old_sessions()
    failures.raise_kept()
    if not requests:
        return ""
    if problems := [request.problem for request in emptied if request.problem]:
        raise NotErased(f"Erased {finished} subjects, {len(problems)} not: {problems[0]}")
    left = len(requests) - finished
    return f"Erased {finished} subjects." + (f" {left} more to do." if left else "")


def _begin(request: ErasureRequest) -> None:
    """Mark the request as running: whoever asks from now on gets another one.

    Nothing may stay of a subject that has opted out, whatever clocks say: erase up to now, by the latest of
    them. Of others, up to the moment of asking, by the clock that dates arrivals if that is ahead of ours. (A
    withdrawal has read that clock itself.)
    """
    ours, arrivals = timezone.now(), barrier.arrivals_clock()
    ahead = arrivals - ours if arrivals - ours > CLOCKS_AGREE else timedelta()
    with transaction.atomic(using="default"):
        kind = SubjectKind(request.kind)
        # The tombstone's lock before the request's, like whoever asks: in two orders they would deadlock.
        raise_tombstones(Tombstone.Kind(kind), [request.pseudonym], request.until)
        request.refresh_from_db(from_queryset=ErasureRequest.objects.select_for_update())
        is_under_way = request.progress.get("day") is not None  # the days before that one are done
        if not is_under_way and is_denied(kind, request.pseudonym):
            request.until = max(request.until, ours, arrivals)
        elif request.state == Stage.WAITING and not request.is_withdrawal:
            request.until += ahead
        raise_tombstones(Tombstone.Kind(kind), [request.pseudonym], request.until)
        request.state = Stage.RUNNING
        request.save(update_fields=["state", "until"])


def _delete_everything(request: ErasureRequest, give_up_at: float, note: Note) -> bool:
    """Whether everything is deleted; False when time was up."""
    sessions = find_sessions(request)
    for number in barrier.buckets([request.pseudonym, *sessions]):
        barrier.wait_for_bucket(number)
    delete_small_tables(request)
    if not delete_event_rows(request, sessions, give_up_at=give_up_at, note=note):
        return False
    counts = deleted_rows(request)
    for tables in derived.DERIVED:
        for table, rows in tables.erase(request).items():
            counts[table] = counts.get(table, 0) + rows
    request.save(update_fields=["progress"])
    return True


def _search_and_finish(requests: list[ErasureRequest], note: Note, failures: Failures) -> int:
    """Search for all of them at once; returns how many are done. The others note what is in the way."""
    sessions = {request.pk: find_sessions(request) for request in requests}
    note("search", 0, 1)
    result = search({name for request in requests for name in [request.pseudonym, *sessions[request.pk]]})
    finished = 0
    for request in requests:
        with failures.keep(f"request {request.public_id}"):
            finished += _finish(request, sessions[request.pk], result)
    note("search", 1, 1)
    return finished


def _finish(request: ErasureRequest, sessions: list[str], result: SearchResult) -> bool:
    """Give the request its receipt, or note what is in the way of one."""
    remains, problem = judge(request, sessions, result)
    if problem:
        request.problem, request.progress["day"] = problem[:500], None
        request.problem_at = timezone.now()
        request.save(update_fields=["problem", "problem_at", "progress"])
        return False
    request.finished_at = finished_at = timezone.now()
    request.receipt = receipts.issue(
        request, finished_at=finished_at, deleted=deleted_rows(request), remains=remains, result=result
    )
    forget_kept_rows(SubjectKind(request.kind), request.pseudonym, request.until)
    request.state, request.problem, request.progress = Stage.DONE, "", {}
    request.save(update_fields=["state", "problem", "progress", "receipt", "finished_at"])
    return True


def _forget_old_sessions() -> None:
    """Drop the tombstones of sessions older than any month kept: ingest refuses such events anyway."""
    oldest = oldest_kept_month(timezone.now(), months_kept()).starts_at
    Tombstone.objects.filter(kind=Tombstone.Kind.ANONYMOUS, until__lt=oldest).delete()
