"""The totals that are sent: exact, without small groups, without those who opted out."""

import uuid
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from analytics.heartbeats.totals import totals
from analytics.models import EndpointUsage, FeatureUsage, UserActivity
from consent.decisions.recording import record_decision
from consent.models import Method, State, SubjectKind

pytestmark = pytest.mark.django_db
END = timezone.now().replace(minute=0, second=0, microsecond=0)
START = END - timedelta(days=1)
NUMBERS = count(1)


def somebody() -> str:
    return f"{next(NUMBERS):032x}"


def add(model: type[Any], user: str, organization: str = "", **columns: Any) -> None:
    at = columns.pop("at", START + timedelta(hours=1))
    own: dict[str, Any] = {
        UserActivity: {"event_type": "login", "session_id": ""},
        EndpointUsage: {"endpoint": "/x", "method": "GET", "status_code": 200},
        FeatureUsage: {"feature_name": "timer", "action": "started"},
    }[model]
    model.objects.create(
        id=uuid.uuid4(), user_id=user, organization_id=organization, timestamp=at, received_at=at,
        deployment_type="cloud", **(own | columns),
    )  # fmt: skip


def test_totals_count_people_once_and_events_each() -> None:
    people = [somebody() for _ in range(6)]
    for person in people:
        add(UserActivity, person)
        add(FeatureUsage, person)
        add(FeatureUsage, person)
        add(UserActivity, person, event_type="logout")
    for status in (499, 500, 599):
        add(EndpointUsage, people[0], status_code=status)
    assert totals(START, END) == {
        "active_users": 6,
        "organizations": 0,
        "sign_ins": 6,
        "feature_uses": 12,
        "requests": 3,
        "failed_requests": 2,
    }


def test_the_end_of_a_period_belongs_to_the_next() -> None:
    for at in (START, END - timedelta(microseconds=1), END, START - timedelta(microseconds=1)):
        add(EndpointUsage, "anon:" + "0" * 27, at=at)
    assert totals(START, END)["requests"] == 2


def test_nothing_is_told_of_few_people(settings: Settings) -> None:
    settings.SUPPRESS_BELOW = 5
    for _ in range(4):
        add(UserActivity, somebody())
    assert set(totals(START, END).values()) == {None}
    add(UserActivity, somebody())
    assert totals(START, END)["active_users"] == 5


def test_few_organizations_are_not_counted(settings: Settings) -> None:
    settings.SUPPRESS_BELOW = 5
    for _ in range(5):
        add(UserActivity, somebody(), organization="a" * 32)
    assert (totals(START, END)["organizations"], totals(START, END)["sign_ins"]) == (None, 5)
    for number in range(4):
        add(FeatureUsage, somebody(), organization=f"b{number}")
    assert totals(START, END)["organizations"] == 5


def test_unnamed_users_are_no_people_and_internal_use_is_no_use() -> None:
    add(EndpointUsage, "anon:" + "1" * 27)
    add(EndpointUsage, somebody(), is_internal=True)
    assert (totals(START, END)["active_users"], totals(START, END)["requests"]) == (0, 1)


@pytest.mark.parametrize("state", [State.DENIED, State.UNSET])
@pytest.mark.parametrize("kind", list(SubjectKind))
def test_who_opted_out_since_is_left_out(kind: SubjectKind, state: State) -> None:
    leaver = somebody()
    for _ in range(5):
        add(UserActivity, somebody(), organization="b" * 32)
    add(UserActivity, *((leaver, "b" * 32) if kind == SubjectKind.USER else (somebody(), leaver)))
    assert totals(START, END)["active_users"] == 6
    record_decision(kind=kind, subject=leaver, state=state, actor="test", method=Method.COMMAND)
    assert totals(START, END)["active_users"] == 5
    record_decision(kind=kind, subject=leaver, state=State.GRANTED, actor="test", method=Method.COMMAND)
    assert totals(START, END)["active_users"] == 6


def test_a_decision_at_the_first_moment_counts_and_earlier_ones_do_not() -> None:
    leaver = somebody()
    decision = record_decision(
        kind=SubjectKind.USER, subject=leaver, state=State.DENIED, actor="test", method=Method.COMMAND
    )
    moment = decision.recorded_at
    for user in (leaver, *(somebody() for _ in range(5))):
        add(UserActivity, user, at=moment + timedelta(seconds=1))
    assert totals(moment, moment + timedelta(days=1))["active_users"] == 5
    assert totals(moment + timedelta(microseconds=1), moment + timedelta(days=1))["active_users"] == 6
