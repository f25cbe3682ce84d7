"""While a database is unreachable: 503 in the request's own encoding, so that it is sent again."""

import pytest
from django.test import Client

from analytics.models import FeatureUsage
from tests.support.away import away
from tests.support.otlp import a_key, encoded, grant, post, span, traces

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("alias", ["default", "analytics"])
@pytest.mark.parametrize("is_json", [True, False])
def test_an_event_is_to_be_sent_again_and_is_then_stored_once(
    client: Client, caplog: pytest.LogCaptureFixture, alias: str, is_json: bool
) -> None:
    grant(user="u1")
    text, _ = a_key()
    document = traces(span(1, attributes={"user.id": "u1", "feature.name": "export"}))
    body = document if is_json else encoded(document)
    content_type = "application/json" if is_json else "application/x-protobuf"
    with away(alias):
        answer = post(client, "/v1/traces", body, text, content_type=content_type)
    assert (answer.status_code, answer["Retry-After"], answer["Content-Type"]) == (503, "2", content_type)
    assert "ingest is unavailable: " in caplog.text
    for _ in range(2):
        assert post(client, "/v1/traces", body, text, content_type=content_type).status_code == 200
    assert FeatureUsage.objects.count() == 1


@pytest.mark.parametrize("alias", ["default", "analytics"])
def test_a_dry_run_needs_both_databases(client: Client, alias: str) -> None:
    """Consent is in one, where sealed days end in the other."""
    grant(user="u1")
    text, _ = a_key()
    body = traces(span(1, attributes={"user.id": "u1", "feature.name": "export"}))
    with away(alias):
        answer = post(client, "/v1/traces", body, text, **{"X-Telemetry-Dry-Run": "1"})
    assert answer.status_code == 503
