"""A request is one row, also where frameworks repeat it on spans within the server span."""

import pytest
from django.test import Client

from analytics.models import EndpointUsage
from ingest.traffic import counting
from tests.support.otlp import a_key, encoded, grant, post, span, traces

pytestmark = pytest.mark.django_db(transaction=True)

REQUEST = {"http.method": "GET", "http.status_code": 200, "user.id": "u1"}
LOCAL, REMOTE = 0x100, 0x300  # flags of a span: its parent is known to be of this process, or of another
INNER = {"kind": 1, "parentSpanId": f"{1:016x}"}


def endpoints(client: Client, *spans: dict[str, object], protobuf: bool = False) -> list[str]:
    """Where rows were stored of these spans."""
    grant(user="u1")
    body, kind = traces(*spans), "application/json"
    if protobuf:
        body, kind = encoded(body), "application/x-protobuf"
    assert post(client, "/v1/traces", body, a_key()[0], content_type=kind).status_code == 200
    return sorted(EndpointUsage.objects.values_list("endpoint", flat=True))


@pytest.mark.parametrize("protobuf", [False, True])
@pytest.mark.parametrize("flags", [LOCAL, 0])
def test_a_span_within_the_server_span_is_no_second_request(
    client: Client, flags: int, protobuf: bool
) -> None:
    """A FastAPI app under another one, NestJS and hapi send the request again, as an internal span."""
    server = span(1, kind=2, attributes=REQUEST | {"http.route": "/shop"})
    inner = span(2, attributes=REQUEST | {"http.route": "/items/{id}"}, flags=flags, **INNER)
    alone = span(3, attributes=REQUEST | {"http.route": "/items/{id}"})
    assert endpoints(client, inner, server, alone, protobuf=protobuf) == ["/items/{id}", "/shop"]
    assert {label[3:] for label in counting._waiting.counts} >= {
        ("accepted", ""),
        ("skipped", "not_an_event"),
    }


@pytest.mark.parametrize("protobuf", [False, True])
def test_an_internal_span_may_be_a_request_where_nothing_in_its_process_is_around_it(
    client: Client, protobuf: bool
) -> None:
    alone = span(1, kind=1, attributes=REQUEST | {"http.route": "/alone"})
    called = span(2, attributes=REQUEST | {"http.route": "/called"}, flags=REMOTE, **INNER)
    said = {"event.category": "endpoint_usage", "http.route": "/said"}
    explicit = span(3, attributes=REQUEST | said, flags=LOCAL, **INNER)
    without_kind = span(4, attributes=REQUEST | {"http.route": "/kindless"}, **INNER | {"kind": 0})
    spans = alone, called, explicit, without_kind
    assert endpoints(client, *spans, protobuf=protobuf) == ["/alone", "/called", "/kindless", "/said"]
