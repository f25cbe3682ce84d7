"""Between withdrawal and erasure, people no longer count but what they did does: it must not reveal them."""

import pytest

from analytics.reports.cells import Withheld
from analytics.reports.endpoints import endpoint_report, endpoints_report
from analytics.reports.features import feature_report, features_report
from analytics.reports.suppression import (
    suppress_endpoint,
    suppress_endpoints,
    suppress_feature,
    suppress_features,
)
from analytics.rollups import sealing
from analytics.rollups.reading import reader as rollups
from analytics.rollups.reading.reader import Segment
from consent.models import State, TelemetryUser
from tests.support.events import ago, endpoint, feature, filters, make_partitions, person
from tests.support.rolling import roll_up

pytestmark = pytest.mark.django_db
LEFT = (1, 2, 3)


@pytest.fixture(autouse=True)
def _three_of_many_withdraw(db):
    """Only they used “rare”, did “removed”, or were there at all four days ago."""
    make_partitions()
    for user in (*LEFT, *range(10, 20)):
        feature(user, ago(2))
        endpoint(user, ago(2))
    for user in LEFT:
        feature(user, ago(2), name="rare")
        feature(user, ago(4), action="removed")
        endpoint(user, ago(2), path="/rare")
        endpoint(user, ago(4))
    for name in ("timer", "unnamed"):
        feature("anon:" + "0" * 27, ago(2), name=name)
    roll_up()
    TelemetryUser.objects.bulk_create(
        TelemetryUser(pseudonym=person(user), state=State.DENIED) for user in LEFT
    )


def test_a_feature_that_everybody_left_shows_no_uses():
    rows = {row.feature: row for row in suppress_features(features_report(filters(), published=True)).rows}
    assert (rows["rare"].users, rows["rare"].uses) == (Withheld.FEW, Withheld.HIDDEN)
    assert (rows["timer"].users, rows["timer"].uses) == (10, 14)
    assert (rows["unnamed"].users, rows["unnamed"].uses) == (0, 1), "of nobody, ever"


def test_nor_does_a_day_or_an_action():
    report = suppress_feature(feature_report(filters(), "timer", published=True))
    days = {day.day: (day.users, day.uses) for day in report.days}
    assert days[ago(4)] == (Withheld.FEW, Withheld.HIDDEN)
    assert days[ago(2)] == (10, 14)
    assert report.uses_so_far == 14, "nothing can be subtracted from it"
    actions = {row.action: (row.users, row.uses) for row in report.actions}
    assert actions["removed"] == (Withheld.FEW, Withheld.HIDDEN)


def test_nor_does_an_endpoint():
    report = suppress_endpoints(endpoints_report(filters(), published=True))
    rows = {row.endpoint: (row.users, row.requests) for row in report.rows}
    assert rows == {"/rare": (Withheld.FEW, Withheld.HIDDEN), "/a": (10, 13)}
    assert report.total.requests == 13
    assert {day.day: day.requests for day in report.days}[ago(4)] is Withheld.HIDDEN
    one = suppress_endpoint(endpoint_report(filters(), "/rare", "GET", published=True))
    assert (one.total.users, one.total.requests, one.latency) == (Withheld.FEW, Withheld.HIDDEN, [])


def test_where_all_have_left_a_total_is_hidden_too():
    report = suppress_endpoints(
        endpoints_report(filters(from_=ago(4).isoformat(), to=ago(4).isoformat()), published=True)
    )
    assert (report.total.users, report.total.requests) == (Withheld.FEW, Withheld.HIDDEN)


def test_sealing_keeps_nothing_of_them():
    sealing.seal([ago(2), ago(4)])
    with rollups.reading() as reader:
        uses = reader.uses(Segment(), ago(4), ago(2))
        requests = reader.requests(Segment(), ago(4), ago(2))
    assert dict(zip(uses.keys, uses.daily.sum(axis=1).tolist(), strict=True)) == {
        ("timer", "started"): 14,
        ("unnamed", "started"): 1,
    }
    assert requests.keys == [("/a", "GET")]
    assert requests.requests.sum(axis=0).tolist() == [0, 0, 13]
