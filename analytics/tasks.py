"""The Celery tasks of this app: each calls one service. When they run: `analytics/jobs/timetable.py`."""

from django.utils import timezone

from analytics.erasure import run as erasure
from analytics.heartbeats import sending
from analytics.jobs import status
from analytics.jobs.decorator import job
from analytics.rollups.building import build
from analytics.self_check.run import FiguresDiffer, check_figures
from analytics.storage import pruning
from consent.decisions.verification import ConsentLogBroken, verify

ROLL_UP_SECONDS = 15.0  # a run begins no further day after this


@job("beat", has_row=False)
def tick() -> str:
    return status.tick(now=timezone.now())


@job("partitions")
def make_partitions() -> str:
    return pruning.make_partitions(now=timezone.now())


@job("prune")
def prune() -> str:
    return pruning.prune(now=timezone.now()).sentence


@job("erasure", never_retry=(erasure.NotErased,))
def erase() -> str:
    return erasure.carry_out() if erasure.due_requests().exists() else ""


@job("roll-ups")
def roll_up() -> str:
    return build.roll_up(budget=ROLL_UP_SECONDS).sentence


@job("self-check", never_retry=(FiguresDiffer,))
def self_check() -> str:
    return check_figures()


@job("verify consent log", never_retry=(ConsentLogBroken,))
def verify_consent_log() -> str:
    return verify().sentence()


@job("first seen", never_retry=(sending.DeliveryRefused,))
def send_first_seen() -> str:
    return sending.send_first_seen(now=timezone.now())


@job("heartbeat", never_retry=(sending.DeliveryRefused,))
def send_heartbeat() -> str:
    return sending.send_heartbeat(now=timezone.now())


@job("metrics", never_retry=(sending.DeliveryRefused,))
def send_metrics() -> str:
    return sending.send_metrics(now=timezone.now())


@job("daily analytics", never_retry=(sending.DeliveryRefused,))
def send_daily_analytics() -> str:
    return sending.send_daily_analytics(now=timezone.now())
