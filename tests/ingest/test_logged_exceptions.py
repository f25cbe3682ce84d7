"""Exceptions as OpenTelemetry's own loggers send them: class and function are kept, nothing else is."""

from typing import Any

import pytest
from django.test import Client

from analytics.models import FeatureUsage
from tests.support.otlp import a_key, grant, log, logs, post

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_back")]

SECRET = "4711-kestrel"
WHO = {"user.id": "u1", "organization.id": "o1"}


def logged(**attributes: Any) -> dict[str, Any]:
    """As `logging` sends it through the SDK: the message is the body, and there is no name."""
    told = {
        "exception.type": "KeyError",
        "exception.message": SECRET,
        "exception.stacktrace": f"Traceback … /home/jane/app.py … {SECRET}",
        "code.file.path": "/home/jane/app.py",
        "code.line.number": 12,
    }
    given = {name.replace("__", "."): value for name, value in attributes.items()}
    return log(body={"stringValue": f"it failed for {SECRET}"}, attributes=WHO | told | given)


def test_an_exception_has_its_class_and_its_place(client: Client) -> None:
    grant(user="u1", organization="o1")
    key, _ = a_key()
    sent = logs(
        logged(code__function__name="run_export"),  # the scope is the logger's name: “tests”
        logged(code__function__name="app.jobs.run_export"),
        logged(code__function="run_export", code__namespace="app.older"),
        logged(code__function__name="app.jobs.of_customer_4711234"),
        logged(code__function__name="/home/jane/app.py"),
    )
    other = {"scope": {"name": "app.other"}, "logRecords": [logged(code__function__name="run_export")]}
    sent["resourceLogs"][0]["scopeLogs"].append(other)
    assert post(client, "/v1/logs", sent, key).content == b"{}"
    rows = FeatureUsage.objects.all()
    assert [(row.feature_name, row.action) for row in rows] == [("exception", "failed")] * 6
    assert sorted(row.event_metadata.get("code.function.name", "") for row in rows) == [
        "",
        "",
        "app.jobs.run_export",
        "app.older.run_export",
        "app.other.run_export",
        "tests.run_export",
    ]
    assert {row.event_metadata["error.type"] for row in rows} == {"KeyError"}
    assert all(set(row.event_metadata) <= {"app", "error.type", "code.function.name"} for row in rows)
