"""Nobody, one person too few, exactly `SUPPRESS_BELOW`: what every report shows of such a group."""

import pytest

from analytics.reports import catalogue, suppression
from analytics.reports.cells import Withheld
from analytics.reports.endpoints import endpoint_report
from analytics.reports.features import feature_report
from analytics.reports.overview import overview_report
from analytics.reports.sessions import sessions_report
from consent.models import TelemetryUser
from tests.support.events import (
    activity,
    ago,
    at,
    endpoint,
    feature,
    filters,
    installation,
    make_partitions,
    person,
)

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("rolled_up"),
    pytest.mark.parametrize(("people", "cell"), [(0, 0), (4, Withheld.FEW), (5, 5)]),
]
NOBODY = "anon:" + "0" * 27


@pytest.fixture(autouse=True)
def _months(db):
    make_partitions()


def test_a_day_of_active_users(people, cell):
    for user in range(people):
        activity(user + 1, ago(2))
    report = catalogue.ACTIVE_USERS.shown(filters(range="7d"))
    day = report.days[-3]
    assert (day.day, day.total, day.cloud, day.unknown) == (ago(2), cell, cell, 0)
    assert (report.wau.value, report.mau.value, report.users_so_far) == (cell, cell, cell)
    assert report.period_users.value == cell
    assert (report.highest.total if report.highest else None) == {0: 0, 4: 0, 5: 5}[people]


def test_a_feature(people, cell):
    for user in (*range(people), NOBODY):
        feature(user + 1 if user != NOBODY else user, ago(2))
    (row,) = catalogue.FEATURES.shown(filters()).rows
    assert (row.users, row.uses) == (cell, Withheld.HIDDEN if people == 4 else people + 1)
    report = suppression.suppress_feature(feature_report(filters(), "timer", published=True))
    assert (report.users.value, report.users_so_far, report.deployments[0].users) == (cell, cell, cell)
    assert report.uses_so_far == report.uses.value == row.uses
    assert report.days[-3].uses == report.actions[0].uses == row.uses


def test_an_endpoint(people, cell):
    for user in (*range(people), NOBODY):
        endpoint(user + 1 if user != NOBODY else user, ago(2))
    shown = catalogue.ENDPOINTS.shown(filters())
    requests = Withheld.HIDDEN if people == 4 else people + 1
    assert (shown.rows[0].users, shown.rows[0].requests) == (cell, requests)
    assert (shown.total.users, shown.headline.requests, shown.days[-3].requests) == (cell, requests, requests)
    assert (shown.rows[0].trend[-3] is Withheld.HIDDEN) == (people == 4)
    report = suppression.suppress_endpoint(endpoint_report(filters(), "/a", "GET", published=True))
    assert report.total.requests == requests
    assert [row.requests for row in report.statuses] == ([] if people == 4 else [people + 1])
    assert [one.requests for one in report.latency] == ([] if people == 4 else [people + 1])


def test_the_ledger_and_the_cohorts_of_retention(people, cell):
    for user in range(people):
        activity(user + 1, ago(12))
        activity(user + 1, ago(11))
    report = catalogue.RETENTION.shown(filters())
    assert report.headline[:3] == (cell, *((Withheld.HIDDEN,) * 2 if people == 4 else (0, people)))
    assert report.headline.retained == (Withheld.HIDDEN if people == 4 else people)
    assert [row.users for row in report.cohorts][:1] == ([cell] if people else [])
    assert report.curve[0].eligible == cell


def test_sessions_and_pages(people, cell):
    for user in range(people):
        activity(user + 1, at(ago(2), 9), session=f"{user}")
        feature(user + 1, ago(2), name="page_view", event_metadata={"page.path": "/projects"})
    report = suppression.suppress_sessions(sessions_report(filters()))
    withheld = Withheld.HIDDEN if people == 4 else people
    assert (report.users.value, report.signed_in.value, report.sessions.value) == (cell, cell, withheld)
    assert report.sign_ins_per_user.value == {0: None, 4: Withheld.HIDDEN, 5: 1.0}[people]
    assert [page[1:] for page in report.pages] == ([(cell, withheld)] if people else [])


def test_installations(people, cell):
    for number in range(people):
        installation(number + 1, [ago(2)])
    report = catalogue.INSTALLATIONS.shown(filters())
    assert (report.active.value, report.total) == (cell, cell)
    assert report.days[-3].total == (Withheld.HIDDEN if people == 4 else people)


def test_a_version_among_many(people, cell):
    for number in range(people + 20):
        installation(number + 1, [ago(2)], version="2.0" if number < people else "1.0")
    versions = {row.kind: row.installations for row in catalogue.INSTALLATIONS.shown(filters()).versions}
    assert versions == {0: {"1.0": 20}, 4: {"Other, 2 kinds": 24}, 5: {"2.0": 5, "1.0": 20}}[people]


def test_people_by_what_they_decided(people, cell):
    states = ["granted"] * people + ["denied"] * 20 + ["unset"] * 30
    for number, state in enumerate(states):
        TelemetryUser.objects.create(pseudonym=person(number), state=state)
    users = suppression.suppress_overview(overview_report(filters())).users
    assert (users.granted, users.denied) == (cell, Withheld.HIDDEN if people == 4 else 20)
    assert users.unset == 30
