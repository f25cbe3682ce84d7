"""What a client asks for is not logged: an address may hold an id. Nor are jobs with nothing to do."""

import logging

import pytest
from django.conf import settings


@pytest.mark.django_db
@pytest.mark.parametrize(
    "ask", [{"path": "/users/somebody-4711/"}, {"path": "/", "HTTP_HOST": "evil.example"}]
)
def test_a_request_that_leads_nowhere_leaves_no_line(client, caplog, ask):
    answer = client.get(ask.pop("path"), **ask)
    assert answer.status_code in (400, 404)
    assert not [record for record in caplog.records if record.levelno >= 30]


@pytest.mark.parametrize(
    ("line", "is_logged"),
    [
        ("Task analytics.tasks.tick[3f] succeeded in 0.01s: 'Beat and a worker are alive.'", False),
        ("Task analytics.tasks.erase[3f] succeeded in 0.01s: ''", False),
        ("Task analytics.tasks.erase[3f] succeeded in 4.2s: 'Erased 1 user.'", True),
        ("Task analytics.tasks.erase[3f] retry: Retry in 10s: ValueError('')", True),
    ],
)
def test_a_job_with_nothing_to_do_leaves_no_line(line: str, is_logged: bool) -> None:
    kept = settings.LOGGING["filters"]["no idle job"]["callback"]
    assert kept(logging.makeLogRecord({"msg": line})) is is_logged
