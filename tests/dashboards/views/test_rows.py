"""Rows of the overview, the pipeline and the panel of arrivals: order, shares, what is left out."""

import re
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.utils import timezone

from analytics.reports.cells import Withheld
from analytics.reports.overview import Coverage
from dashboards.views import arrivals, pipeline_rows, privacy_traffic
from dashboards.views.reports import overview_rows
from dashboards.views.reports.installations import _colours
from ingest.models import TrafficCount
from ingest.traffic.queries import ArrivalInterval, OutcomeCount


def moved(
    number: int, *, users: Any = 100, requests: Any = 500, change: Any = 0.5, today: bool = False
) -> Any:
    """An overview report with one feature and one endpoint."""
    feature = SimpleNamespace(feature=f"f{number}", trend=[1, 2, 3], users=users, change=change)
    endpoint = SimpleNamespace(
        endpoint="/a", method="GET", trend=[4, 5, 6], p95_ms=7.0, requests=requests, change=-2 * change
    )
    return SimpleNamespace(
        filters=SimpleNamespace(includes_today=today),
        features=SimpleNamespace(rows=[feature]),
        endpoints=SimpleNamespace(rows=[endpoint]),
    )


def test_the_largest_change_comes_first_whichever_way_it_went() -> None:
    rows = overview_rows.largest_changes(moved(1))
    assert [(row.name, row.unit, row.change, row.good) for row in rows] == [
        ("GET /a", "p95", -1.0, "down"),
        ("f1", "users", 0.5, "up"),
    ]


def test_changes_of_few_people_or_requests_are_left_out() -> None:
    assert overview_rows.largest_changes(moved(1, users=99, requests=499)) == []
    assert len(overview_rows.largest_changes(moved(1, users=100, requests=500))) == 2
    assert overview_rows.largest_changes(moved(1, users=Withheld.HIDDEN, requests=Withheld.HIDDEN)) == []


def test_a_day_that_is_not_over_is_not_in_the_trend() -> None:
    assert [row.trend for row in overview_rows.largest_changes(moved(1, today=True))] == [[4, 5], [1, 2]]
    assert [row.trend for row in overview_rows.largest_changes(moved(1))] == [[4, 5, 6], [1, 2, 3]]


def test_six_changes_are_enough() -> None:
    report = moved(0)
    report.features.rows *= 9
    assert len(overview_rows.largest_changes(report)) == 6


def test_coverage_is_in_shares_unless_a_part_is_hidden() -> None:
    row = overview_rows.coverage_row("Users", Coverage(granted=30, denied=10, unset=60))
    assert [(part.name, part.value, part.share) for part in row.parts] == [
        ("Opted in", 30, 0.3),
        ("Opted out", 10, 0.1),
        ("Not decided", 60, 0.6),
    ]
    hidden = overview_rows.coverage_row("Users", Coverage(granted=30, denied=Withheld.HIDDEN, unset=60))
    assert [part.share for part in hidden.parts] == [None, None, None]


def test_the_newest_version_has_the_strongest_colour() -> None:
    assert _colours(["1.0", "1.1", "2.0"]) == [("o5", "2.0"), ("o4", "1.1"), ("o3", "1.0")]


def test_records_are_listed_in_order_with_bars_and_shares() -> None:
    outcomes = [
        OutcomeCount("skipped", "not_an_event", 500),
        OutcomeCount("refused", "no_consent", 30),
        OutcomeCount("rejected", "no_key", 5),
        OutcomeCount("duplicate", "", 10),
        OutcomeCount("accepted", "", 60),
    ]
    assert pipeline_rows.record_rows(outcomes) == [
        ("Accepted", "v", 60, 1.0, 0.6),
        ("Sent again, stored once", "vo", 10, 1 / 6, 0.1),
        ("Dropped: no consent", "vo", 30, 0.5, 0.3),
        ("Skipped: a span without an event", "vo", 500, 0, None),
    ]
    (rejected,) = pipeline_rows.rejected_rows(outcomes)
    assert rejected == ("401 Unauthorized: no key, or an unknown one", "bad", 5, 1.0, 1.0)
    assert pipeline_rows.rejected_rows([OutcomeCount("rejected", "of_old", 1)])[0].name == "of old"


def test_totals_keep_records_and_requests_apart() -> None:
    hour = datetime(2026, 11, 30, tzinfo=UTC)
    totals = pipeline_rows.totals_of([ArrivalInterval(hour, 5, 2, 3, 7), ArrivalInterval(hour, 1, 0, 0, 0)])
    assert totals == (6, 2, 3, 7)
    assert (totals.records, totals.accepted_share, totals.refused_share) == (11, 6 / 11, 3 / 11)
    assert pipeline_rows.totals_of([ArrivalInterval(hour, 0, 0, 0, 9)]).accepted_share is None


def arrived(outcome: str, reason: str = "", count: int = 1, *, minute: datetime) -> None:
    TrafficCount.objects.create(minute=minute, signal="logs", outcome=outcome, reason=reason, count=count)


@pytest.mark.django_db
def test_arrivals_list_the_accepted_first_and_the_newest_dozen_minutes() -> None:
    now = timezone.now().replace(second=0, microsecond=0)
    arrived("rejected", "no_key", 1000, minute=now)
    arrived("skipped", "not_an_event", 300, minute=now)
    arrived("refused", "no_consent", 20, minute=now - timedelta(minutes=1))
    for minutes in range(2, 16):
        arrived("accepted", count=5, minute=now - timedelta(minutes=minutes))
    lately = arrivals.arrivals(hours=24, now=now)
    assert [(row.name, row.kind, row.events, row.bar, row.share) for row in lately.rows] == [
        ("Accepted", "v", 70, 1.0, 7 / 9),
        ("Dropped: no consent", "vo", 20, 2 / 7, 2 / 9),
        ("Skipped: a span without an event", "vo", 300, 0, None),
        ("Rejected: no key, or an unknown one", "bad", 1000, 0, None),  # requests are no events
    ]
    assert (lately.events, lately.is_empty) == (90, False)
    assert lately.reasons == {"", "no_consent", "no_key", "not_an_event"}
    assert [line.name for line in lately.lines[:4]] == [
        "Rejected: no key, or an unknown one",
        "Skipped: a span without an event",
        "Dropped: no consent",
        "Accepted",
    ]
    assert len(lately.lines) == 12
    assert sum(lately.accepted_by_hour) == 70


@pytest.mark.django_db
def test_rejected_requests_have_no_share_of_the_records() -> None:
    for outcome, number in (("accepted", 3), ("refused", 1), ("rejected", 96)):
        arrived(outcome, "no_key" if outcome == "rejected" else "", number, minute=timezone.now())
    html = render_to_string("dashboards/includes/outcomes.html", {"arrivals": arrivals.arrivals(hours=24)})
    cells = re.findall(r'<td class="num( muted)?">(.*?)</td>', html)
    assert [text for _, text in cells] == ["3", "75.0%", "1", "25.0%", "96", "requests"]


@pytest.mark.django_db
def test_the_public_counts_are_a_minute_old_at_most() -> None:
    privacy_traffic.counter.forget()
    today = datetime.combine(date.today(), datetime.min.time(), tzinfo=UTC)
    arrived("accepted", minute=today)
    arrived("refused", "no_consent", 2, minute=today)
    arrived("refused", "do_not_track", 4, minute=today)
    arrived("refused", "unroutable", 8, minute=today)
    arrived("rejected", "no_consent", 16, minute=today)
    arrived("skipped", "not_an_event", 32, minute=today)
    assert privacy_traffic.recent_traffic(now=1000.0) == (30, 15)
    arrived("accepted", minute=today - timedelta(days=1))
    assert privacy_traffic.recent_traffic(now=1060.0).arrived == 15
    assert privacy_traffic.recent_traffic(now=1060.1).arrived == 16
    privacy_traffic.counter.forget()
