"""Reports of days whose rows were dropped: what was kept is shown, and what was not is not made up."""

from datetime import UTC, date, datetime

import pytest
from django.db import transaction

from analytics import partitions, pruning
from analytics.reports.active_users import active_users_report
from analytics.reports.cells import Mark
from analytics.reports.features import features_report
from analytics.reports.filters import FilterError
from analytics.reports.kept import as_kept
from analytics.reports.retention import retention_report
from analytics.reports.suppression import suppress_active_users
from tests.analytics.factories import activity, feature, filters, person
from tests.analytics.rolling import roll_up

pytestmark = pytest.mark.django_db
TODAY = date(2025, 11, 25)
NOW = datetime(2025, 11, 25, 15, tzinfo=UTC)
BUSY, QUIET, OPEN = date(2025, 9, 10), date(2025, 9, 11), date(2025, 10, 2)


@pytest.fixture(autouse=True)
def _september_is_gone(db, settings):
    """Six people on one day of it, two on another; the six and somebody new afterwards."""
    settings.EVENT_RETENTION_MONTHS = 1
    partitions.ensure(partitions.Month(2025, 9), partitions.Month(2025, 11))
    for user in range(6):
        activity(user + 1, BUSY)
        feature(user + 1, OPEN)
    for user in range(2):
        activity(user + 1, QUIET)
    feature(7, OPEN)
    roll_up()
    with transaction.atomic(using="analytics"):
        pruning.prune(now=NOW)
    roll_up()


def asked(**query):
    return as_kept(filters(TODAY, **query))


def test_active_users_of_a_sealed_day_are_those_that_were_kept():
    report = suppress_active_users(active_users_report(asked(from_="2025-09-01", to="2025-10-05")))
    totals = {day.day: day.total for day in report.days}
    assert (totals[BUSY], totals[QUIET], totals[OPEN]) == (6, Mark.HIDDEN, 7)
    assert report.period_users.value is None, "who came on both sides is not known any more"


def test_of_an_organization_nothing_was_kept():
    report = active_users_report(asked(from_="2025-09-01", to="2025-10-05", org=person(999)))
    totals = {day.day: day.total for day in report.days}
    assert (totals[BUSY], totals[OPEN]) == (Mark.HIDDEN, 7)


def test_windows_that_reach_into_sealed_days_were_kept_too():
    report = active_users_report(asked(from_="2025-10-01", to="2025-10-05", metric="mau"))
    assert {day.day: day.total for day in report.days}[date(2025, 10, 1)] == 6


def test_other_reports_say_which_days_they_are_about():
    question = asked(from_="2025-09-01", to="2025-10-05")
    report = features_report(question)
    assert "days up to 30 Sep 2025 are sealed" in question.scope_text
    assert (report.filters.first, report.rows[0].users) == (date(2025, 10, 1), 7)
    with pytest.raises(FilterError, match="2025-10-01 or later"):
        features_report(asked(from_="2025-09-01", to="2025-09-20"))


def test_nothing_is_compared_with_sealed_days():
    assert asked(from_="2025-10-01", to="2025-10-30").compare is False
    assert asked(from_="2025-11-01", to="2025-11-20").compare is True


def test_who_was_there_before_is_not_new():
    report = retention_report(asked(from_="2025-10-01", to="2025-10-30"), now=NOW)
    assert report.headline.new_users == 1
