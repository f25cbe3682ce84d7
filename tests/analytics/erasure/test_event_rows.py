"""Which event rows go, day by day, and that a killed run is resumed."""

from datetime import datetime, timedelta

import pytest
from django.db import transaction

from analytics import partitions
from analytics.erasure import derived, event_rows, run
from analytics.jobs import runs
from analytics.models import (
    FeatureUsage,
    UserActivity,
)
from consent.models import ErasureRequest, Tombstone
from tests.analytics.erasure.stories import (
    ACME,
    ANONYMOUS,
    DAY,
    JANE,
    JIM,
    ORGANIZATION,
    OTHER_SESSION,
    SESSION,
    ask,
    carry_out,
    erased,
    jane_has_rows,
    rows,
)
from tests.support.events import activity, endpoint, feature

pytestmark = pytest.mark.django_db


def test_a_users_rows_go_from_every_table_with_their_sessions_and_nobody_elses() -> None:
    jane_has_rows()
    activity("f" * 32, DAY, session=OTHER_SESSION)
    feature(f"anon:{OTHER_SESSION[:27]}", DAY)
    receipt = erased()
    assert rows() == {
        "UserActivity": ["f" * 32],
        "EndpointUsage": [],
        "FeatureUsage": [f"anon:{OTHER_SESSION[:27]}"],
    }
    assert receipt["deleted"] == {
        "analytics_endpoint_usage": 1,
        "analytics_feature_usage": 3,
        "analytics_user_activity": 2,
    }
    assert (receipt["subject"], receipt["kind"], receipt["sessions"]) == (JANE, "user", 1)
    assert {place["where"] for place in receipt["remains"]} == {
        "consent_tombstone.subject",
        "consent_tombstone.user",
        "consent_erasurerequest.pseudonym",
        "consent_erasurerequest.receipt",
    }
    assert receipt["searched"]["tables"] > 20


def test_more_rows_than_a_statement_takes_go_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_rows, "BATCH", 3)
    for minute in range(10):
        feature(JANE, DAY + timedelta(minutes=minute))
    assert erased()["deleted"] == {"analytics_feature_usage": 10}
    assert rows()["FeatureUsage"] == []


def test_a_run_that_ends_between_two_days_is_gone_on_with_and_counts_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run ends at every place: in each transaction that deletes, and in the next, after its commit."""

    class Killed(BaseException):
        pass

    class Killer:
        """Strikes in the n-th transaction. With one row per statement, each day has one that deletes none."""

        NAMES = frozenset()

        def __init__(self, number: int) -> None:
            self.left = number

        def touched(self, cursor, table, start, end) -> None:
            self.left -= 1
            if self.left == 0:
                raise Killed

        def erase(self, request) -> dict[str, int]:
            return {}

    monkeypatch.setattr(event_rows, "BATCH", 1)
    for number in (1, 2, 3, 5, 8, 11):
        jane_has_rows()
        request = ask()
        monkeypatch.setattr(derived, "DERIVED", [Killer(number)])
        with pytest.raises(Killed):
            runs.run_job("erasure", run.carry_out)
        monkeypatch.setattr(derived, "DERIVED", [])
        carry_out()
        request.refresh_from_db()
        assert request.receipt["deleted"] == {
            "analytics_endpoint_usage": 1,
            "analytics_feature_usage": 3,
            "analytics_user_activity": 2,
        }, number
        assert rows() == {"UserActivity": [], "EndpointUsage": [], "FeatureUsage": []}


def test_what_is_derived_is_told_of_each_day_and_its_rows_are_in_the_receipt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Marks:
        NAMES = frozenset()
        days: set[tuple[str, datetime]] = set()

        def touched(self, cursor, table, start, end) -> None:
            self.days.add((table, start))

        def erase(self, request) -> dict[str, int]:
            return {"somebodys_roll_up": 4}

    monkeypatch.setattr(derived, "DERIVED", [Marks()])
    feature(JANE, DAY)
    endpoint(JANE, DAY + timedelta(days=1))
    assert erased()["deleted"]["somebodys_roll_up"] == 4
    assert Marks.days == {
        ("analytics_feature_usage", DAY),
        ("analytics_endpoint_usage", DAY + timedelta(days=1)),
    }


MOMENT = timedelta(microseconds=1)


def test_a_row_goes_when_it_is_dated_or_was_received_up_to_the_moment() -> None:
    until_then = ask().until
    feature(JANE, until_then, name="dated", received_at=until_then + MOMENT)
    feature(JANE, until_then + MOMENT, name="received", received_at=until_then)
    feature(JANE, until_then + MOMENT, name="newer", received_at=until_then + MOMENT)
    carry_out()
    assert [row.feature_name for row in FeatureUsage.objects.all()] == ["newer"]
    assert ErasureRequest.objects.get().receipt["deleted"] == {"analytics_feature_usage": 2}


def test_a_row_at_midnight_belongs_to_one_day() -> None:
    for moment in (DAY - MOMENT, DAY, DAY + timedelta(days=1)):
        endpoint(JANE, moment)
    assert erased()["deleted"] == {"analytics_endpoint_usage": 3}


def test_every_table_is_reached_by_every_name() -> None:
    for name, organization in ((JANE, ""), (ANONYMOUS, ""), (JIM, ACME), (JIM, "b" * 32)):
        activity(name, DAY, organization_id=organization, session=SESSION if name == JANE else "")
        endpoint(name, DAY, organization_id=organization)
        feature(name, DAY, organization_id=organization)
    erased()
    assert rows() == {table: [JIM, JIM] for table in rows()}
    deleted = erased(ORGANIZATION, ACME)["deleted"]
    assert [deleted[table] for table in partitions.EVENT_TABLES] == [1, 1, 1]
    assert rows() == {table: [JIM] for table in rows()}


def test_an_event_without_a_session_names_none() -> None:
    activity(JANE, DAY, session="")
    assert erased()["sessions"] == 0
    assert not Tombstone.objects.filter(kind="anonymous").exists()


def test_a_later_erasure_takes_what_came_since_from_sessions_of_the_first() -> None:
    jane_has_rows()
    erased()
    feature(ANONYMOUS, DAY)
    assert erased()["deleted"] == {"analytics_feature_usage": 1}
    moments = dict(Tombstone.objects.values_list("subject", "until"))
    assert moments[ANONYMOUS] == moments[JANE]


def test_the_rows_that_name_the_sessions_go_last_and_a_day_with_its_mark_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So a backup taken mid-run can still find the sessions."""
    left: list[tuple[str, bool]] = []

    class Watch:
        NAMES = frozenset()

        def touched(self, cursor, table, start, end) -> None:
            left.append((table, UserActivity.objects.filter(user_id=JANE).exists()))
            if not left[-1][1]:
                raise RuntimeError("no mark")

        def erase(self, request) -> dict[str, int]:
            return {}

    monkeypatch.setattr(derived, "DERIVED", [Watch()])
    jane_has_rows()
    request = ask()
    with pytest.raises(RuntimeError), transaction.atomic(using="default"):
        run.carry_out(only=request.pk)
    assert [is_left for _, is_left in left] == [True] * (len(left) - 1) + [False]
    assert {table for table, _ in left} == set(partitions.EVENT_TABLES)
    assert rows() == {"UserActivity": [JANE], "EndpointUsage": [], "FeatureUsage": []}


def test_when_time_is_up_no_further_day_is_begun() -> None:
    feature(JANE, DAY)
    request = ask()
    assert event_rows.delete_event_rows(request, [], give_up_at=0.0, note=lambda *_: None) is False
    assert rows()["FeatureUsage"] == [JANE]
    assert event_rows.are_rows_left(request, [], "analytics_feature_usage")
    assert not event_rows.are_rows_left(request, [], "analytics_endpoint_usage")
    noted: list[tuple[str, int, int]] = []
    end = float("inf")
    assert event_rows.delete_event_rows(request, [], give_up_at=end, note=lambda *is_: noted.append(is_))
    assert noted == [("analytics_feature_usage (both)", 0, 1)]
    assert not event_rows.are_rows_left(request, [], "analytics_feature_usage")
