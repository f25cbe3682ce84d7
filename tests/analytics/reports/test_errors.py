"""Errors: people and occurrences by type and place, first and last seen."""

import pytest

from analytics.reports.cells import Withheld
from analytics.reports.errors import errors_report
from analytics.reports.suppression import suppress_errors
from tests.support.events import ago, endpoint, feature, filters, make_partitions

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_up")]
NOBODY = "anon:" + "0" * 27
HIDDEN, FEW = Withheld.HIDDEN, Withheld.FEW


@pytest.fixture(autouse=True)
def _months(db):
    make_partitions()


def error(user, day, error_type="KeyError", *, place="", **values):
    """An error of the feature `export`, or of a function."""
    metadata = {"error.type": error_type} | ({"code.function.name": place} if place else {})
    values = {"name": "export", "action": "failed"} | values
    return feature(user, day, event_metadata=metadata, **values)


def shown(**query):
    return suppress_errors(errors_report(filters(**query), published=True))


def test_places_are_functions_else_features_else_endpoints():
    error(1, ago(1), place="app.jobs.run")
    error(1, ago(1))
    error(1, ago(1), action="pdf")
    endpoint(1, ago(1), path="/a/{id}", method="PUT", event_metadata={"error.type": "500"})
    endpoint(1, ago(1), path="/b", event_metadata={"error.type": "500", "code.function.name": "app.views.b"})
    feature(1, ago(1), name="export", action="failed")
    endpoint(1, ago(1), status=500)
    assert [(row.error_type, row.place) for row in errors_report(filters(sort="name")).rows] == [
        ("500", "PUT /a/{id}"),
        ("500", "app.views.b"),
        ("KeyError", "app.jobs.run"),
        ("KeyError", "export"),
        ("KeyError", "export/pdf"),
    ]


def test_people_are_counted_once_and_occurrences_each_time():
    for day in (3, 3, 5, 0):
        error(1, ago(day))
    error(2, ago(4))
    error(NOBODY, ago(2))
    error(2, ago(40))
    report = errors_report(filters())
    (row,) = report.rows
    assert (row.users, row.occurrences) == (2, 6)
    assert (row.first_seen, row.last_seen) == (ago(5), ago(0))
    assert (row.previous_users, row.change) == (1, 1.0)
    assert row.trend[-6:] == (1, 1, 2, 1, 0, 1)
    totals = report.total, report.headline, report.previous
    assert [one[:2] for one in totals] == [(2, 6), (2, 5), (1, 1)]
    assert [day.occurrences for day in report.days[-6:]] == [1, 1, 2, 1, 0, 1]


def test_an_error_that_few_people_met_shows_its_name_alone():
    for user in range(1, 5):
        error(user, ago(2))
    for user in range(1, 7):
        error(user, ago(2), "TimeoutError")
    common, rare = shown().rows
    assert (common.users, common.occurrences, common.first_seen) == (6, 6, ago(2))
    assert rare == ("KeyError", "export", FEW, HIDDEN, HIDDEN, HIDDEN, HIDDEN, HIDDEN, (HIDDEN,) * 30, 0)
    assert shown().total == (6, 6, 0), "occurrences at few people are in no sum"
    error(7, ago(2), "SecretError")
    assert shown().total == (HIDDEN, 6, 0), "7 - 6 is the one person who met nothing else"


def test_first_and_last_seen_are_days_of_enough_people():
    for user in range(1, 7):
        error(user, ago(9))
        error(user, ago(4))
    error(1, ago(12))
    error(2, ago(1))
    (row,) = shown().rows
    assert (row.first_seen, row.last_seen) == (ago(9), ago(4))
    assert row.occurrences == 12
    assert row.trend[-2] is HIDDEN


def test_where_no_day_has_enough_people_nothing_says_when():
    feature(1, ago(20))
    for user in range(1, 7):
        error(user, ago(2 + user % 3))  # of one week
    (row,) = shown().rows
    assert (row.users, row.occurrences) == (6, 6)
    assert (row.first_seen, row.last_seen) == (HIDDEN, HIDDEN)


def test_requests_of_nobody_are_shown():
    endpoint(NOBODY, ago(2), path="/hook", event_metadata={"error.type": "500"})
    (row,) = shown().rows
    assert (row.place, row.users, row.occurrences, row.first_seen) == ("GET /hook", 0, 1, ago(2))


def test_rows_follow_the_column_asked_for():
    for place, days, times in (("a.b", (2,), 3), ("c.d", (1, 3), 1), ("e.f", (2, 4), 1)):
        for user in range(1, 7):
            for day in days:
                for _ in range(times):
                    error(user, ago(day), place=place)

    def order(sort):
        return [row.place[0] for row in shown(sort=sort).rows]

    assert order("-occurrences") == ["a", "c", "e"]
    assert order("first") == ["e", "c", "a"]
    assert order("-last") == ["c", "a", "e"]
    assert order("-name") == ["e", "c", "a"]
