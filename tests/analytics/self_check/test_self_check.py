"""The nightly self-check: a roll-up that tells another number than its rows is named."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from analytics.jobs import runs
from analytics.models import FeatureUsage, JobRun, RolledDay, RollUp
from analytics.report_days import report_today
from analytics.rollups.packing import pack, unpack
from analytics.self_check.run import FiguresDiffer, check_figures
from analytics.tasks import self_check
from consent.models import State, TelemetryUser
from telemetry_site import metrics
from tests.support.events import activity, endpoint, feature, person
from tests.support.pages import one_line
from tests.support.rolling import roll_up

pytestmark = pytest.mark.django_db
YESTERDAY = report_today() - timedelta(days=1)


@pytest.fixture
def month(db: None) -> None:
    """Twelve days of six people, built."""
    for back in range(12):
        day = YESTERDAY - timedelta(days=back)
        for user in range(1, 7):
            activity(user, day)
            feature(user, day, name="export")
            status, app = 500 if user == 1 else 200, {"app": "shop" if user % 2 else "till"}
            endpoint(user, day, path="/items", status=status, ms=user * 1.5, event_metadata=app)
    endpoint("anon:" + "0" * 27, YESTERDAY, path="/items", ms=None)
    for user in range(1, 7):
        measured = {"duration_ms": user * 2.5, "memory_mb": 10.0 * user}
        feature(user, YESTERDAY, name="render", action="timed", event_metadata=measured)
        failed = {"error.type": "KeyError", "code.function.name": "app.jobs.run"}
        feature(user, YESTERDAY, name="error", action="failed", event_metadata=failed)
        endpoint(user, YESTERDAY, path="/items", status=500, event_metadata={"error.type": "500"})
    feature(7, YESTERDAY, name="timer", deployment_type="self-hosted", is_internal=True)
    roll_up()


def falsify(kind: str, array: str) -> None:
    """Add one to a number of yesterday's roll-up, in its own packing."""
    row = RollUp.objects.get(day=YESTERDAY, kind=kind)
    names, bitmap, arrays = unpack(bytes(row.content))
    arrays[array] = arrays[array] + 1
    RollUp.objects.filter(day=YESTERDAY, kind=kind).update(content=pack(names, bitmap, **arrays))
    RolledDay.objects.filter(day=YESTERDAY).update(version=12345)  # no process remembers the true one


def test_figures_equal_their_rows(month: None) -> None:
    summary = runs.run_job("self-check", check_figures).summary
    assert summary.endswith("figures of 11 days recomputed, 0 differences.")
    assert int(summary.split()[0]) > 100


def test_without_a_day_nothing_is_due(db: None) -> None:
    assert self_check() == ""


def test_people_who_have_withdrawn_are_no_difference(month: None) -> None:
    TelemetryUser.objects.create(pseudonym=person(3), state=State.DENIED)
    assert "0 differences" in check_figures()


def test_rows_that_wait_to_be_counted_are_no_difference(month: None) -> None:
    from analytics.rollups.building import marks
    from tests.support.rolling import mark_everything

    feature(1, YESTERDAY, name="export")
    mark_everything()
    assert marks.marked_days()
    assert "0 differences" in check_figures()


@pytest.mark.parametrize(
    ("kind", "array", "named"),
    [
        ("uses", "count", "feature-adoption, {day}, export, uses"),
        ("requests", "count", "endpoint-performance, {day}, GET /items, requests"),
        ("requests", "total_ms", "endpoint-performance, {day}, GET /items, mean duration"),
        ("errors", "count", "errors, {day}, 500 GET /items, occurrences"),
        ("timings", "memory_mb", "timings, {day}, render, mean memory"),
        ("requests~", "count", "endpoint-performance, {day}, GET /items, requests"),
    ],
)
def test_a_falsified_roll_up_is_named(month: None, kind: str, array: str, named: str) -> None:
    falsify(kind, array)
    with pytest.raises(FiguresDiffer) as raised:
        check_figures()
    assert named.format(day=YESTERDAY) in str(raised.value)


def test_a_lost_row_is_named_by_its_people_too(month: None) -> None:
    FeatureUsage.objects.filter(feature_name="export", user_id=person(2), timestamp__date=YESTERDAY).delete()
    with pytest.raises(FiguresDiffer, match=f"feature-adoption, {YESTERDAY}, export, people"):
        check_figures()


def test_a_difference_stands_on_pipeline_and_in_metrics(month: None) -> None:
    falsify("uses", "count")
    with pytest.raises(CommandError, match="differences: "):
        call_command("check_figures")
    run = JobRun.objects.get(job="self-check")
    assert run.outcome == JobRun.Outcome.FAILED
    staff = Client()
    staff.force_login(User.objects.create_user("mira", password="mira-mira", is_staff=True))
    page = one_line(staff.get("/dashboards/pipeline/"))
    assert f"feature-adoption, {YESTERDAY}, export, uses" in page
    (sample,) = [one for one in metrics._failures().samples if one.labels == {"job": "self-check"}]
    assert sample.value == 1


def test_ready_names_the_job_whose_figures_differ(month: None) -> None:
    from telemetry_site import health

    falsify("uses", "count")
    with pytest.raises(FiguresDiffer):
        self_check()
    with pytest.raises(health.NotWell, match="failed: self-check"):
        health._jobs()
