"""The overview: the same numbers as the reports, and how many have opted in."""

import pytest

from analytics.reports.active_users import active_users_report
from analytics.reports.cells import Withheld
from analytics.reports.features import features_report
from analytics.reports.overview import overview_report
from analytics.reports.suppression import suppress_overview
from consent.models import Organization, TelemetryUser
from tests.support.events import ago, crowd, endpoint, feature, filters, make_partitions, person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_up")]


def test_it_says_what_the_reports_say():
    make_partitions()
    crowd(5, events=300)
    for query in ({}, {"deployment": "cloud", "range": "7d"}, {"compare": "0", "activity": "login"}):
        asked = filters(**query)
        overview = overview_report(asked)
        assert overview.features == features_report(asked, published=True)
        assert overview.active_users == active_users_report(asked, published=True)


def test_coverage_counts_decisions():
    for number, state in enumerate(["granted"] * 6 + ["denied"] * 2 + ["unset"] * 7):
        TelemetryUser.objects.create(pseudonym=person(number), state=state)
        Organization.objects.create(pseudonym=person(number), state=state, deployment_type="cloud")
    overview = overview_report(filters())
    assert (overview.users.granted, overview.users.denied, overview.users.unset) == (6, 2, 7)
    assert overview.organizations_by_deployment["cloud"].known == 15
    after = suppress_overview(overview)
    assert (after.users.granted, after.users.denied, after.users.unset) == (Withheld.HIDDEN, Withheld.FEW, 7)
    assert after.users.known is None
    assert after.organizations.denied == 2, "organizations are not people"


def test_whoever_must_be_asked_again_has_not_decided():
    for number, state in enumerate(["granted"] * 6 + ["stale"] * 7):
        TelemetryUser.objects.create(pseudonym=person(number), state=state)
        Organization.objects.create(pseudonym=person(number), state=state, deployment_type="cloud")
    overview = overview_report(filters())
    assert (overview.users.granted, overview.users.unset, overview.users.known) == (6, 7, 13)
    assert overview.organizations.unset == overview.organizations_by_deployment["cloud"].unset == 7


def test_every_report_of_the_overview_hides_few_people():
    make_partitions()
    for user in range(3):
        feature(user, ago(12))
        endpoint(user, ago(12))
    after = suppress_overview(overview_report(filters()))
    few = Withheld.FEW
    assert (after.active_users.users_so_far, after.features.rows[0].users) == (few, few)
    assert (after.endpoints.total.users, after.retention.headline.new_users) == (few, few)
