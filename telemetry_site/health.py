"""Health checks: `/health` (this process is alive) and `/ready` (everything it needs works).

`/ready` names each part and what is wrong with it, never an address or an error's own text. Parts are
checked in separate threads with a deadline, so a database that hangs does not hang the request. An
answer is shared for a second, so asking often costs nothing.
"""

import hmac
import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta

import redis
from django.conf import settings
from django.db import connections, transaction
from django.db.models import Q
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from analytics import partitions
from analytics.jobs import runs, status
from analytics.jobs.status import JobStanding
from analytics.models import JobRun
from analytics.rollups import zone_change
from consent.decisions.verification import ConsentLogBroken

log = logging.getLogger(__name__)

PRUNING_IS_LATE = timedelta(days=2)
BEAT_IS_LATE = timedelta(minutes=3)  # it ticks every minute
DEADLINE = 2.5  # seconds for all parts together
FRESH = 1.0  # seconds for which an answer is shared
GIVEN_UP = 30.0  # seconds after which a look (`_Look`) that hangs is abandoned, and a new one starts
STATEMENT_LIMIT = "2s"
# For libpq: give up on a server that cannot be reached or has gone silent.
CONNECTION = {
    "connect_timeout": 2,
    "tcp_user_timeout": 3000,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 2,
}
OK = "ok"
VERIFICATION = "verify consent log"


class NotWell(Exception):
    """A part does not work; the message says why."""


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 as long as this process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when every needed part works, else 503; `parts` maps each name to `ok` or to what is wrong.

    `?part=NAME`, which may be repeated, checks these parts only. Where `OPERATOR_TOKEN` is set, `parts`
    needs it; the status does not.
    """
    chosen = request.GET.getlist("part") or list(PARTS)
    if unknown := [name for name in chosen if name not in PARTS]:
        message = f"no such part: {unknown[0][:40]}; there are {', '.join(PARTS)}"
        return JsonResponse({"status": "error", "message": message}, status=400)
    part_states = states(chosen)
    is_well = all(state == OK or name in NOT_NEEDED for name, state in part_states.items())
    answer: dict[str, object] = {"status": "ok" if is_well else "not ready"}
    if may_see_details(request):
        answer["parts"] = part_states
    return JsonResponse(answer, status=200 if is_well else 503, headers={"Cache-Control": "no-store"})


def may_see_details(request: HttpRequest) -> bool:
    """Whether the request carries `OPERATOR_TOKEN`, or none is set."""
    if not settings.OPERATOR_TOKEN:
        return True
    method, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    expected = settings.OPERATOR_TOKEN.encode()
    return method.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), expected)


def states(names: list[str]) -> dict[str, str]:
    """Check these parts: each name with `ok` or what is wrong. Returns within `DEADLINE`."""
    until = time.monotonic() + DEADLINE
    looks = {server: _look_at(server) for server in dict.fromkeys(PARTS[name] for name in names)}
    for look in looks.values():
        look.done.wait(max(0.0, until - time.monotonic()))
    return {name: looks[PARTS[name]].states.get(name, "does not answer in time") for name in names}


# --- Looking -------------------------------------------------------------------------------------
class _Look:
    """One check of every part on one server, in a thread."""

    def __init__(self, server: str) -> None:
        self.server, self.began = server, time.monotonic()
        self.states: dict[str, str] = {}
        self.done = threading.Event()

    def run(self) -> None:
        try:
            self._look()
        except Exception as error:  # the outermost edge of a thread
            log.warning("/ready: %s does not answer (%s)", self.server, type(error).__name__)
        finally:
            for name in SERVERS[self.server]:
                self.states.setdefault(name, "does not answer")
            self.done.set()

    def _look(self) -> None:
        if self.server not in connections:
            self._ask()
            return
        wrapper = connections[self.server]  # this thread's own
        options = {**wrapper.settings_dict.get("OPTIONS", {}), **CONNECTION}
        wrapper.settings_dict = {**wrapper.settings_dict, "OPTIONS": options}
        try:
            with transaction.atomic(using=self.server):
                with wrapper.cursor() as cursor:
                    cursor.execute(f"SET LOCAL statement_timeout = '{STATEMENT_LIMIT}'")
                self._ask()
        finally:
            wrapper.close()

    def _ask(self) -> None:
        for name, check in SERVERS[self.server].items():
            try:
                check()
                self.states[name] = OK
            except NotWell as problem:
                self.states[name] = str(problem)


_looks: dict[str, _Look] = {}
_lock = threading.Lock()


def _look_at(server: str) -> _Look:
    """The current look, if it is under way or fresh, else a new one."""
    with _lock:
        last = _looks.get(server)
        if last:
            age = time.monotonic() - last.began
            if age < (FRESH if last.done.is_set() else GIVEN_UP):
                return last
        look = _looks[server] = _Look(server)
    threading.Thread(target=look.run, name=f"ready-{server}", daemon=True).start()
    return look


# --- The parts -----------------------------------------------------------------------------------
def _answers() -> None:
    """The transaction has begun, so the server answers."""


def _redis() -> None:
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as connection:
        connection.ping()


def _partitions() -> None:
    """Events of this month and the next need partitions."""
    this_month = partitions.Month.of(timezone.now().date())
    existing = {(partition.table, partition.month) for partition in partitions.existing()}
    for month in (this_month, this_month.plus(1)):
        missing = [table for table in partitions.EVENT_TABLES if (table, month) not in existing]
        if missing:
            raise NotWell(f"{missing[0]} has no partition for {month}: run `manage.py migrate`")


def _beat() -> None:
    last = runs.last_beat()
    if last is None:
        raise NotWell("beat has not ticked yet")
    if timezone.now() - last > BEAT_IS_LATE:
        raise NotWell(f"beat's last tick came at {last:%Y-%m-%d %H:%M:%S} UTC: is a worker running?")


def _pruning() -> None:
    """A month past EVENT_RETENTION_MONTHS is pruned within an hour; two days later something is wrong."""
    overdue_from = partitions.oldest_kept_month(
        timezone.now() - PRUNING_IS_LATE, settings.EVENT_RETENTION_MONTHS
    )
    overdue = sorted(partition.month for partition in partitions.existing() if partition.month < overdue_from)
    if overdue:
        raise NotWell(f"{overdue[0]} should have been dropped: run `manage.py prune`")


def _jobs() -> None:
    """Every job but beat, which is a part of its own."""
    states = [state for state in status.states(timezone.now()) if state.job != runs.BEAT]
    failed = [
        f"{state.job} (at {state.run.started_at:%Y-%m-%d %H:%M:%S} UTC)"
        for state in states
        if state.standing == JobStanding.FAILED and state.run
    ]
    late = [state.job for state in states if state.standing == JobStanding.LATE]
    problems = [
        f"{word}: {', '.join(names)}" for word, names in (("failed", failed), ("late", late)) if names
    ]
    if problems:
        raise NotWell(f"{'; '.join(problems)}; the dashboards' page Pipeline says why")


def _consent_log() -> None:
    """What the last verification found that came to an end; one that broke off proves nothing."""
    ended = JobRun.objects.filter(job=VERIFICATION).filter(
        Q(outcome=JobRun.Outcome.DONE) | Q(summary__startswith=ConsentLogBroken.__name__)
    )
    last = ended.order_by("-started_at").first()
    if last and last.outcome != JobRun.Outcome.DONE:
        raise NotWell(
            "the consent log, or the table that the gate reads, is not what was recorded (verified at "
            f"{last.started_at:%Y-%m-%d %H:%M:%S} UTC): run `manage.py verify_consent_log`"
        )


def _time_zone() -> None:
    if rebuild := zone_change.rebuild_needed():
        raise NotWell(rebuild)


# The parts on each server, in the order they are checked. The databases go by their aliases.
SERVERS: Mapping[str, Mapping[str, Callable[[], None]]] = {
    "default": {"database": _answers},
    "analytics": {
        "analytics_database": _answers,
        "partitions": _partitions,
        "pruning": _pruning,
        "beat": _beat,
        "jobs": _jobs,
        "consent_log": _consent_log,
        "time_zone": _time_zone,
    },
    "redis": {"redis": _redis},
}
PARTS = {name: server for server, checks in SERVERS.items() for name in checks}
# None is a reason to stop: a failed job is retried, reports only wait for a rebuild, and withdrawals must be
# taken even after the log was tampered with.
NOT_NEEDED = {"jobs", "consent_log", "time_zone"}
