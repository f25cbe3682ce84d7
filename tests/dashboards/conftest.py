"""Clients that open pages, and factories of events, with defaults."""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from analytics.models import EndpointUsage, FeatureUsage, UserActivity


@pytest.fixture(autouse=True)
def _reports_are_up_to_date(rolled_up: None) -> None:
    """Pages and API read roll-ups: they are built from what a test has written."""


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("mira", password="mira-mira", is_staff=True))
    return client


@pytest.fixture
def guest(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("guest", password="guest-guest"))
    return client


def pseudonym(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def days_ago(days: int, hour: int = 12) -> datetime:
    noon = timezone.now().astimezone(UTC).replace(hour=hour, minute=0, second=0, microsecond=0)
    return noon - timedelta(days=days)


NOBODY = "nobody"  # for events that name no user


def _shared(user: str, at: datetime, deployment: str) -> dict[str, object]:
    return {
        "id": uuid.uuid4(),
        "user_id": "anon:" + "0" * 27 if user == NOBODY else pseudonym(user),
        "organization_id": pseudonym("organization"),
        "timestamp": at,
        "deployment_type": deployment,
        "received_at": at,
    }


def feature_used(
    *users: str,
    feature: str = "export",
    action: str = "created",
    at: datetime | None = None,
    deployment: str = "cloud",
    metadata: dict[str, object] | None = None,
) -> None:
    at = at or days_ago(1)
    FeatureUsage.objects.bulk_create(
        FeatureUsage(
            feature_name=feature,
            action=action,
            event_metadata=metadata or {},
            **_shared(user, at, deployment),
        )
        for user in users
    )


def signed_in(*users: str, at: datetime | None = None, deployment: str = "cloud") -> None:
    at = at or days_ago(1)
    UserActivity.objects.bulk_create(
        UserActivity(event_type="login", session_id="", **_shared(user, at, deployment)) for user in users
    )


def requested(
    *users: str,
    endpoint: str = "/api/things/{id}",
    method: str = "GET",
    ms: float = 100.0,
    at: datetime | None = None,
) -> None:
    at = at or days_ago(1)
    EndpointUsage.objects.bulk_create(
        EndpointUsage(
            endpoint=endpoint, method=method, status_code=200, duration_ms=ms, **_shared(user, at, "cloud")
        )
        for user in users
    )


def people(number: int, name: str = "person") -> list[str]:
    return [f"{name}-{i}" for i in range(number)]
