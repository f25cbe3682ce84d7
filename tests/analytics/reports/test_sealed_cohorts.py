"""Weekly cohorts outlive their rows: the triangle says the same of a dropped month, without small groups."""

import random
from datetime import UTC, date, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from analytics import partitions
from analytics.reports.catalogue import RETENTION
from analytics.reports.cells import Withheld
from analytics.reports.parameters import FilterError
from analytics.reports.retention import retention_report
from analytics.reports.sealed_days import last_sealed_day
from analytics.storage import pruning
from tests.support.events import activity, filters, person
from tests.support.rolling import roll_up

pytestmark = pytest.mark.django_db
TODAY, NOW = date(2025, 12, 15), datetime(2025, 12, 15, 15, tzinfo=UTC)
LAST_SEALED = date(2025, 10, 31)
STRADDLING = date(2025, 10, 27)  # the Monday of the week in which the dropped time ends


@pytest.fixture(autouse=True)
def _room(db, settings):
    settings.EVENT_RETENTION_MONTHS, settings.SUPPRESS_BELOW = 1, 3
    partitions.ensure(partitions.Month(2025, 9), partitions.Month(2025, 12))


@pytest.fixture
def crowd():
    """Sixty people who come at random, and half of them sign in."""
    chance = random.Random(7)
    for user in range(1, 61):
        for _ in range(chance.randint(1, 6)):
            day = date(2025, 9, 8) + timedelta(days=int(90 * chance.random() ** 1.4))
            kind = chance.choice(("login", "logout"))
            activity(user, day, event_type=kind, organization_id=person(chance.choice((901, 902))))
    roll_up()


def prune():
    with transaction.atomic(using="analytics"):
        pruning.prune(now=NOW)


def asked(**query):
    return filters(TODAY, last_sealed_day(), **{"from_": "2025-09-08", "to": "2025-12-15"} | query)


def exact(**query):
    return {row.week_start: row for row in retention_report(asked(**query), now=NOW).cohorts}


@pytest.mark.parametrize("query", [{}, {"activity": "login"}, {"definition": "login_window"}])
def test_the_triangle_says_the_same_before_and_after_but_for_small_groups(crowd, query):
    before = exact(**query)
    prune()
    assert last_sealed_day() == LAST_SEALED
    shown = {row.week_start: row for row in RETENTION.shown(asked(**query)).cohorts}
    compared = 0
    for monday in [monday for monday in before if monday <= LAST_SEALED]:
        was, kept = before[monday], shown[monday]
        pairs = [(was.users, kept.users), (was.mature, kept.mature), (was.retained, kept.retained)]
        pairs += zip([cell.users for cell in was.cells], [cell.users for cell in kept.cells], strict=True)
        for number, word in pairs[: 3 + WEEKS_OVER[monday]]:
            assert word in (number, Withheld.HIDDEN)
            assert not 0 < number < 3 or word is Withheld.HIDDEN
            compared += isinstance(word, int) and number > 0
        assert {word for _, word in pairs[3 + WEEKS_OVER[monday] :]} <= {Withheld.GONE}
    assert compared >= 12
    assert STRADDLING in shown
    assert min(monday for monday in shown if monday > LAST_SEALED) == STRADDLING + timedelta(days=7)


WEEKS_OVER = {
    monday: min((TODAY - monday).days // 7, 12)
    for monday in (STRADDLING - timedelta(weeks=back) for back in range(8))
}


def come(users, monday, *, again=0):
    """New people of a week, some of whom come again a week later."""
    for number, user in enumerate(users):
        activity(user, monday + timedelta(days=number % 5))
        if number < again:
            activity(user, monday + timedelta(days=7 + number % 5))


def test_a_small_cohort_takes_the_next_smallest_along():
    """Else the two would follow from the new people of a range that somebody has asked for before."""
    come(range(1, 11), date(2025, 10, 6))
    come(range(11, 13), date(2025, 10, 13))
    come(range(21, 26), date(2025, 10, 20))
    come(range(31, 41), STRADDLING, again=4)
    roll_up()
    prune()
    rows = RETENTION.shown(asked()).cohorts
    assert [row.users for row in rows if row.users != 0] == [10, Withheld.HIDDEN, Withheld.HIDDEN, 10]
    straddling = next(row for row in rows if row.week_start == STRADDLING)
    assert (straddling.mature, straddling.retained, straddling.rate) == (10, 4, 0.4)
    assert [cell.users for cell in straddling.cells[:3]] == [10, 4, 0]


def test_a_range_of_sealed_days_alone_has_its_cohorts_and_nothing_else(client):
    come(range(1, 11), date(2025, 10, 6), again=5)
    roll_up()
    prune()
    query = {"from_": "2025-10-01", "to": "2025-10-31"}
    report = RETENTION.shown(asked(**query))
    assert {report.headline.rate, report.headline.new_users, report.curve[0].eligible} == {Withheld.GONE}
    assert [(row.users, row.retained) for row in report.cohorts if row.users] == [(10, 5)]
    assert report.averages[:2] == [1.0, 0.5]
    for unknown in ({"org": person(901)}, {"internal": "1"}, {"deployment": "cloud"}):
        with pytest.raises(FilterError, match="2025-11-01 or later"):
            RETENTION.count(asked(**query, **unknown))


def test_pages_and_exports_show_them(client, monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    come(range(1, 11), date(2025, 10, 6), again=5)
    roll_up()
    prune()
    client.force_login(User.objects.create_user("mira", is_staff=True))
    days = "from=2025-10-01&to=2025-10-31"
    page = client.get(f"/dashboards/retention/?{days}")
    assert page.status_code == 200
    assert b"not kept" in page.content
    answer = client.get(f"/api/reports/retention?{days}").json()
    week = next(row for row in answer["rows"] if row["cohort"] == "week" and row["from"] == "2025-10-06")
    assert (week["users"], week["retained"], week["rate"], week["week_1"]) == (10, 5, 0.5, 5)
    assert answer["rows"][0]["users"] == "not kept"
    csv = client.get(f"/api/reports/retention?{days}&format=csv")
    assert "2025-10-06" in csv.content.decode()
