"""Names of undeclared attributes: noted for admitted events only, and only if they may be shown."""

from typing import Any

import pytest
from django.test import Client

from ingest.mapping import undeclared
from ingest.models import UndeclaredName
from ingest.traffic import counting
from tests.support.otlp import a_key, grant, log, logs, pairs, post

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rolled_back")]


@pytest.fixture(autouse=True)
def _look_at_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undeclared, "LOOK_EVERY", 0)
    undeclared._looked.clear()


@pytest.fixture
def key(db: None) -> str:
    grant(user="u1")
    return a_key()[0]


def noted(
    client: Client, key: str, *records: dict[str, Any], resource: dict[str, Any] | None = None
) -> dict[str, int]:
    assert post(client, "/v1/logs", logs(*records, resource=resource), key).status_code == 200
    counting.flush()
    return dict(UndeclaredName.objects.values_list("name", "count"))


def event(number: int = 0, user: str = "u1", **attributes: Any) -> dict[str, Any]:
    named = {name.replace("__", "."): value for name, value in attributes.items()}
    return log("cart.filled", attributes={"user.id": user, "log.record.uid": f"r{number}", **named})


def test_undeclared_names_of_admitted_events_are_counted(client: Client, key: str) -> None:
    records = [event(number, cart__size="l", plan="pro") for number in range(3)]
    resource = {"service.version": "1.2.3", "telemetry.sdk.name": "x", "deployment.type": "cloud"}
    assert noted(client, key, *records, resource=resource) == {"cart.size": 3, "telemetry.sdk.*": 3}


def test_what_sdks_send_by_themselves_is_noted_by_group(client: Client, key: str) -> None:
    """So that it neither buries the names that somebody chose nor takes the places of a day."""
    own = {"http.flavor": "1.1", "net.peer.port": 1, "thread.id": 7, "code.lineno": 3, "telemetry.sdk": "x"}
    resource = {
        "telemetry.sdk.name": "x",
        "telemetry.sdk.language": "python",
        "telemetry.auto.version": "1",
        "host.name": "jane-laptop",
        "host.id": "h",
        "process.pid": 1,
        "process.owner": "jane",
        "service.instance.id": "i",
        "service.criticality": "high",
        "os.description": "x",
        "os.type": "linux",
    }
    record = event(1, cart__size="l", otelTraceID="t", taskName="main", hostess="x")
    record["attributes"] += pairs(own)
    assert noted(client, key, record, resource=resource) == dict.fromkeys(
        (
            *("cart.size", "hostess", "telemetry.sdk", "service.criticality"),  # somebody chose these
            *("http.*", "net.*", "thread.*", "code.*", "telemetry.sdk.*", "telemetry.auto.*", "host.*"),
            *("process.*", "service.instance.*", "os.*", "(others)"),
        ),
        1,
    )


def test_what_consent_does_not_let_through_leaves_no_name(client: Client, key: str) -> None:
    refused = [
        event(1, user="stranger", secret_plan="x"),
        log("no name", attributes={"user.id": "u1", "a.b": 1}),
    ]
    assert noted(client, key, *refused) == {}
    assert noted(client, key, event(2, cart__size="l"), *refused) == {"cart.size": 1}


@pytest.mark.parametrize(
    "name",
    [
        "jane@example.com",
        "order-20260131",
        "customer 7",
        "user_email",
        "password",
        "x" * 65,
        "größe",
        "10.0.0.1",
        "d3b07384d113edec49eaa6238ad5ff00",
        "a1b2c3d4",
        "/home/jane",
        "<script>",
        "",
        "about_u1000_plan",
    ],
)
def test_a_name_that_may_be_personal_is_not_noted(client: Client, key: str, name: str) -> None:
    grant(user="u1000")
    record = event(0, user="u1000")
    record["attributes"].append({"key": name, "value": {"stringValue": "x"}})
    assert name not in noted(client, key, record)


@pytest.mark.parametrize(
    "name", ["plan.tier", "userPlan", "$plan", "cart_size", "http2.streams", "x-ray.mode"]
)
def test_a_plain_name_is_noted(name: str) -> None:
    assert undeclared.is_plain(name)


def test_of_a_large_request_and_of_many_some_records_are_looked_at(
    client: Client, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undeclared, "LOOK_EVERY", 60)
    counts = noted(client, key, *(event(number, cart__size="l") for number in range(1000)))
    assert 30 <= counts["cart.size"] <= 32
    assert noted(client, key, event(1001, cart__size="l")) == counts


def test_in_a_mixed_request_the_right_records_are_looked_at(client: Client, key: str) -> None:
    records = [
        event(n, user="u1" if n % 2 else "stranger", **{f"{'ours' if n % 2 else 'theirs'}": 1})
        for n in range(200)
    ]
    counts = noted(client, key, *records)
    assert counts["ours"] == 25
    assert "theirs" not in counts
