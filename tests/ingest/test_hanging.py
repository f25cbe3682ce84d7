"""A database that neither answers nor disconnects: a stopped process, a network that drops packets."""

import contextlib
import os
import signal

import pytest
from django.db import connections
from django.test import Client

from analytics.models import FeatureUsage
from postgres import pipeline
from tests.support.otlp import a_key, grant, post, span, traces


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("alias", ["default", "analytics"])
def test_a_database_that_hangs_is_503_and_nothing_is_stored_twice(
    client: Client, monkeypatch: pytest.MonkeyPatch, alias: str
) -> None:
    text, _ = a_key()
    grant(user="u1")
    body = traces(span(1, attributes={"feature.name": "timer", "user.id": "u1"}))
    assert post(client, "/v1/traces", body, text).json() == {}
    backend = connections[alias].connection.info.backend_pid
    os.kill(backend, signal.SIGSTOP)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(pipeline, "PATIENCE", 0.3)
            answer = post(
                client, "/v1/traces", traces(span(2, attributes={"feature.name": "x", "user.id": "u1"})), text
            )
        assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    finally:
        os.kill(backend, signal.SIGCONT)
        with contextlib.suppress(ProcessLookupError):  # it may have found already that nobody is there
            os.kill(backend, signal.SIGTERM)
    assert post(client, "/v1/traces", body, text).status_code == 200  # over a new connection
    assert FeatureUsage.objects.count() == 1
