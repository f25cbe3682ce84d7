"""The timetable: every job has its time, its limits and its rest."""

from datetime import timedelta

import pytest
from celery.schedules import crontab
from pytest_django import Settings

from analytics.jobs.timetable import HOUR, MINUTE, SECOND, Rest, UnknownJob, all_jobs, find_job, timetable


def test_names_are_given_once() -> None:
    names = [job.name for job in all_jobs()]
    assert len(names) == len(set(names))


def test_a_job_that_nobody_listed_is_unknown() -> None:
    with pytest.raises(UnknownJob, match=r"“sweep”: add a line for it to analytics/jobs/timetable\.py"):
        find_job("sweep")


def test_what_is_sent_is_sent_only_to_an_endpoint(settings: Settings) -> None:
    settings.HEARTBEAT_ENDPOINT = ""
    sending = {job.name for job in all_jobs()} - {job.name for job in timetable()}
    assert sending == {"first seen", "heartbeat", "metrics", "daily analytics"}
    settings.HEARTBEAT_ENDPOINT = "https://vendor.example.com"
    assert timetable() == all_jobs()


def test_erasures_and_roll_ups_rest_and_leave_ingest_the_processors() -> None:
    rests = {job.name: job.rest for job in all_jobs() if job.rest}
    assert rests == {"erasure": Rest(9, 6 * HOUR), "roll-ups": Rest(4, 40 * SECOND)}


def test_what_must_not_wait_for_its_time_runs_at_start() -> None:
    at_start = [job.name for job in all_jobs() if job.at_start]
    assert at_start == ["beat", "partitions", "prune", "erasure"]


def test_a_message_waits_no_longer_than_until_the_next_one() -> None:
    """Else a worker that comes back finds a queue full of the same job."""
    for job in all_jobs():
        if isinstance(job.when, timedelta):
            assert job.may_wait <= job.when, job.name
        else:
            assert job.may_wait <= HOUR, job.name
    every_minute = [job for job in all_jobs() if job.when == crontab()]
    assert {job.may_wait for job in every_minute} == {MINUTE}


def test_reports_of_today_are_never_far_behind() -> None:
    job = find_job("roll-ups")
    assert isinstance(job.when, timedelta)
    assert job.rest
    assert job.when + job.rest.at_most <= MINUTE
