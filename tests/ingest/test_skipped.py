"""Spans that automatic instrumentation adds by itself: skipped, apart from what was refused or dropped."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from prometheus_client import CollectorRegistry

from analytics.models import EndpointUsage
from ingest.models import TrafficCount
from ingest.traffic import counting, prometheus
from tests.support.otlp import SERVER, a_key, grant, post, span, traces

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_back")]
INTERNAL, CLIENT, PRODUCER, CONSUMER = 1, 3, 4, 5
REQUEST = {"http.request.method": "GET", "http.route": "/items/{id}", "http.response.status_code": 200}
# As instrumentations of ASGI, requests, SQLAlchemy, Kafka and Celery send them.
STEPS = (
    (INTERNAL, {"asgi.event.type": "http.response.start", "http.status_code": 200}),
    (
        CLIENT,
        {"http.request.method": "GET", "server.address": "example.org", "http.response.status_code": 200},
    ),
    (CLIENT, {"db.system.name": "postgresql", "db.operation.name": "SELECT"}),
    (PRODUCER, {"messaging.system": "kafka", "messaging.destination.name": "mail"}),
    (CONSUMER, {"celery.action": "run", "celery.state": "SUCCESS"}),
)


def spans(*, kinds: tuple[tuple[int, dict[str, Any]], ...] = STEPS, first: int = 10) -> list[dict[str, Any]]:
    return [
        span(first + number, kind=kind, attributes={"user.id": "u1", **attributes})
        for number, (kind, attributes) in enumerate(kinds)
    ]


def request(number: int, **attributes: Any) -> dict[str, Any]:
    return span(number, kind=SERVER, attributes={"user.id": "u1", **REQUEST, **attributes})


@pytest.fixture
def key(db: None) -> str:
    grant(user="u1")
    return a_key()[0]


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("mira", is_staff=True))
    return client


def counted() -> set[tuple[str, str, int]]:
    counting.flush()
    return set(TrafficCount.objects.values_list("outcome", "reason", "count"))


def in_prometheus() -> float:
    labels = {"signal": "traces", "outcome": "skipped", "reason": "not_an_event"}
    registry = CollectorRegistry()
    registry.register(prometheus.RECORDS)
    return registry.get_sample_value("candid_records_total", labels) or 0


def test_steps_of_a_request_are_neither_refused_nor_dropped(client: Client, staff: Client, key: str) -> None:
    before = in_prometheus()
    answer = post(client, "/v1/traces", traces(request(1), *spans()), key)
    assert answer.json() == {}, "no client logs a warning for each of its batches"
    assert counted() == {("accepted", "", 1), ("skipped", "not_an_event", 5)}
    assert in_prometheus() - before == 5
    assert EndpointUsage.objects.get().endpoint == "/items/{id}"
    page = staff.get("/dashboards/pipeline/").content.decode()
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "Accepted 1 100.0% of the records" in text
    assert "Skipped: a span without an event 5 spans" in text
    assert "Dropped 0 0.0% of the records" in text


def test_a_request_of_steps_alone_is_warned_about_once_it_is_all_there_is(client: Client, key: str) -> None:
    partial = post(client, "/v1/traces", traces(*spans()), key).json()["partialSuccess"]
    assert partial["rejectedSpans"] == "0"
    assert partial["errorMessage"].startswith(
        "5 of 5 skipped: 5 not_an_event (a span that describes no event"
    )


def test_beside_refusals_steps_are_told_apart(client: Client, staff: Client, key: str) -> None:
    stranger = request(1, **{"user.id": "u2"})
    body = traces(stranger, span(2, kind=SERVER), *spans())
    partial = post(client, "/v1/traces", body, key).json()["partialSuccess"]
    assert partial["rejectedSpans"] == "2"
    refused, skipped = partial["errorMessage"].split("; ")
    assert refused.startswith("2 of 7 refused: ")
    assert "1 unroutable" in refused
    assert "1 no_consent" in refused
    assert skipped.startswith("5 of 7 skipped: 5 not_an_event (")
    counting.flush()
    panel = staff.get("/dashboards/first-event/arrivals/").content.decode()
    assert "Spans arrived that describe no event" in panel
    dry = post(client, "/v1/traces", body, key, **{"X-Telemetry-Dry-Run": "1"}).json()
    assert dry["summary"] == {
        "stored": 0,
        "refused": {"no_consent_user": 1, "unroutable": 1},
        "skipped": {"not_an_event": 5},
    }
    assert dry["records"][-1]["outcome"] == "skipped"


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        (SERVER, {"rpc.system": "grpc"}),
        (INTERNAL, {"http.request.method": "GET"}),  # neither status nor route
        (INTERNAL, {"event.name": "identify me!"}),
        (INTERNAL, {"feature.action": "used"}),
        (CLIENT, {"feature.name": "mail"}),
        (0, {"asgi.event.type": "http.response.start"}),  # made by hand
    ],
)
def test_what_was_meant_to_be_an_event_is_refused(
    client: Client, key: str, kind: int, attributes: dict[str, Any]
) -> None:
    partial = post(client, "/v1/traces", traces(*spans(kinds=((kind, attributes),))), key).json()
    assert partial["partialSuccess"]["errorMessage"].startswith("1 of 1 refused: 1 unroutable (")
