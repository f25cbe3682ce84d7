"""Inserts rows of the event tables directly: a test names only the columns that it is about."""

import itertools
import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

from django.db import connections

from analytics import partitions
from analytics.models import EndpointUsage, FeatureUsage, Installation, InstallationEvent, UserActivity
from analytics.reports.filters import ReportFilters
from consent.registry.registry import current_registry

TODAY = date(2026, 11, 17)  # a Tuesday
NUMBERS = itertools.count(1)


def person(number: int) -> str:
    """The pseudonym of a test's n-th person (or organization)."""
    return f"{number:032x}"


def at(day: date | datetime, hour: float = 12) -> datetime:
    """An instant on a day; an instant is returned as it is."""
    if isinstance(day, datetime):
        return day
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour)


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def make_partitions() -> None:
    """Make the partitions that tests about TODAY use, whatever day it really is."""
    partitions.ensure(partitions.Month(2025, 8), partitions.Month(2026, 11))


@contextmanager
def months_standing(first: partitions.Month, last: partitions.Month) -> Iterator[None]:
    """The partitions of these months, for a test that commits; those it creates are dropped afterwards."""
    made = partitions.ensure(first, last)
    try:
        yield
    finally:
        with connections["analytics"].cursor() as cursor:
            for name in made:
                cursor.execute(f"DROP TABLE IF EXISTS {name}")


def _event(user, day, **values):
    moment = at(day)
    common = {
        "id": uuid.UUID(int=next(NUMBERS)),
        "user_id": person(user) if isinstance(user, int) else user,
        "organization_id": person(999),
        "timestamp": moment,
        "deployment_type": "cloud",
        "received_at": moment,
    }
    return common | values


def activity(user=1, day=TODAY, **values):
    return UserActivity.objects.create(**_activity(user, day, **values))


def _activity(user, day, *, event_type="login", session="", **values):
    return _event(user, day, event_type=event_type, session_id=session, **values)


def feature(user=1, day=TODAY, **values):
    return FeatureUsage.objects.create(**_feature(user, day, **values))


def _feature(user, day, *, name="timer", action="started", **values):
    return _event(user, day, feature_name=name, action=action, **values)


def endpoint(user=1, day=TODAY, **values):
    return EndpointUsage.objects.create(**_endpoint(user, day, **values))


def _endpoint(user, day, *, path="/a", method="GET", status=200, ms=10.0, **values):
    return _event(user, day, endpoint=path, method=method, status_code=status, duration_ms=ms, **values)


def installation(number=1, days=(TODAY,), *, version="1.0", first_seen=None, **values):
    """An installation with a heartbeat on each of the days."""
    moments = sorted(at(day) for day in days)
    known = Installation.objects.create(
        pseudonym=person(number),
        app_version=version,
        first_seen_at=at(first_seen) if first_seen else moments[0],
        last_seen_at=moments[-1],
        **values,
    )
    for moment in moments:
        InstallationEvent.objects.create(
            installation=known, name="heartbeat", timestamp=moment, received_at=moment
        )
    return known


def filters(today=TODAY, last_sealed=None, **query) -> ReportFilters:
    query = {name.rstrip("_"): value for name, value in query.items()}
    dimensions = current_registry().dimensions
    return ReportFilters.from_query(query, today=today, last_sealed=last_sealed, dimensions=dimensions)


def crowd(seed: int, *, people: int = 30, events: int = 700, days: int = 100):
    """Insert random events into all tables; returns them as plain tuples, to count by hand.

    (table, user, moment, deployment, organization, internal, what) with `what` the event type,
    feature name or endpoint.
    """
    chance = random.Random(seed)
    made, rows = [], {UserActivity: [], FeatureUsage: [], EndpointUsage: []}
    makers = {
        "activity": (UserActivity, _activity, "event_type", ("login", "logout")),
        "feature": (FeatureUsage, _feature, "name", ("a", "b")),
        "endpoint": (EndpointUsage, _endpoint, "path", ("/x", "/y")),
    }
    for _ in range(events):
        table = chance.choice(tuple(makers))
        model, fields, column, choices = makers[table]
        user = chance.choice([*range(1, people + 1), "anon:" + "0" * 27])
        moment = at(ago(int(days * chance.random() ** 1.5)), chance.random() * 24)
        what = chance.choice(choices)
        values = {
            "deployment_type": chance.choice(("cloud", "cloud", "self-hosted", "unknown")),
            "organization_id": person(chance.choice((901, 902))),
            "is_internal": chance.random() < 0.1,
        }
        rows[model].append(model(**fields(user, moment, **{column: what}, **values)))
        made.append((table, user, moment, *values.values(), what))
    for model, of_model in rows.items():
        model.objects.bulk_create(of_model)
    return made


def counts_for_somebody(event, asked: ReportFilters) -> bool:
    """Whether an event of `crowd` passes the filters (dates aside) and belongs to an identified person."""
    _, user, _, deployment, organization, internal, _ = event
    return (
        isinstance(user, int)
        and (asked.include_internal or not internal)
        and asked.deployment in ("", deployment)
        and asked.organization in ("", organization)
    )
