"""What Sentry-shaped events mean: the row that each becomes, and what of it is dropped."""

import json
import time
from typing import Any

import pytest

from analytics.storage.rows import Row
from consent.pseudonyms import pseudonym
from ingest.mapping.rows import Mapped
from ingest.mapping.sentry import decode_envelope
from ingest.otlp.records import Record
from tests.ingest.sentry.envelopes import a_maker, envelope, event, item
from tests.support.otlp import NOW

SECRET = "qzjanedoe@example.com"
BEGAN = NOW.timestamp()


def records(*items: bytes) -> list[Record]:
    return list(decode_envelope(envelope(*items)).records)


def mapped(*items: bytes) -> Mapped:
    return a_maker().map(records(*items))


def row_of(kind: str = "event", **fields: Any) -> Row:
    (row,) = mapped(item(kind, event() | {"timestamp": BEGAN} | fields)).rows
    return row


# --- Events --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("message", "table", "names"),
    [
        ("event:cart.filled", "feature", ("cart", "filled")),
        ("event:button_click", "feature", ("button_click", "used")),
        ("feature:export", "feature", ("export", "used")),
        ("event:feature:task:created", "feature", ("task", "created")),
        ("retrieval.add_demo", "feature", ("retrieval", "add_demo")),
        ("event:login", "activity", ("login", "")),
        ("event:page_view", "feature", ("page_view", "viewed")),
    ],
)
def test_a_message_that_names_an_event_is_that_event(
    message: str, table: str, names: tuple[str, str]
) -> None:
    row = row_of(message=message)
    assert (row.table, row.names) == (table, names)
    assert row_of(message=None, logentry={"message": message, "params": [SECRET]}).names == names


@pytest.mark.parametrize(
    "message", ["the cart is full", "started", f"event:mail {SECRET}", "x" * 300, "", None, ["event:x"], 7]
)
def test_any_other_message_is_no_event(message: Any) -> None:
    result = mapped(item("event", event() | {"timestamp": BEGAN, "message": message}))
    assert (result.rows, set(result.refused) <= {"unroutable", "personal_data"}) == ([], True)


def test_an_exception_is_its_type_and_its_place() -> None:
    frames = [
        {"module": "shop.main", "function": "run", "in_app": True, "vars": {"x": SECRET}},
        {
            "module": "shop.cart",
            "function": "Cart.add",
            "in_app": True,
            "abs_path": "/home/qzjanedoe/cart.py",
        },
        {"module": "django.db", "function": "execute", "in_app": False},
    ]
    values = [
        {"type": "KeyError", "value": SECRET},
        {"type": "OutOfStock", "module": "shop.errors", "value": SECRET, "stacktrace": {"frames": frames}},
    ]
    body = {"exception": {"values": values}, "message": None, "tags": {"event.type": "x", "plan": "pro"}}
    (record,) = records(item("event", event() | body))
    assert record.attributes["code.function.name"] == "shop.cart.Cart.add"
    assert SECRET not in repr(record)
    row = row_of(**body)
    assert row.names == ("exception", "failed")
    assert row.metadata["error.type"] == "shop.errors.OutOfStock"
    assert row.metadata["code.function.name"] == "shop.cart.Cart.add"
    assert row.metadata["plan"] == "pro"
    named = row_of(**body | {"tags": {"feature.name": "checkout"}, "exception": values})
    assert named.names == ("checkout", "failed")


@pytest.mark.parametrize(
    ("frame", "place"),
    [
        ({"module": "shop", "function": "f.<locals>.<lambda>"}, "shop.f.<locals>.<lambda>"),
        ({"function": "fillCart", "filename": "https://a.example/?mail=x"}, "<anonymous>.fillCart"),
        ({"function": "HTMLButtonElement.<anonymous>"}, "HTMLButtonElement.<anonymous>"),
        *(({"module": module, "function": "f"}, None) for module in ("/home/jane/x", "a b", "x@y.z")),
        *(({"function": function}, None) for function in ("?", None, "f(secret)", 7, "")),
    ],
)
def test_a_place_is_never_more_than_module_and_function(frame: dict[str, Any], place: str | None) -> None:
    thrown = {"type": "E", "stacktrace": {"frames": [None, frame]}}
    (record,) = records(item("event", event() | {"exception": {"values": [thrown, None]}}))
    assert record.attributes.get("code.function.name") == place


def test_who_and_from_where() -> None:
    row = row_of(
        user={"id": 42, "email": SECRET, "username": "Jane Doe", "ip_address": "203.0.113.7"},
        tags=[
            ["organization.id", "acme"],
            ["internal", "true"],
            ["deployment.type", "cloud"],
            ["app_version", "9.1"],
        ],
        release="shop@1.2.3",
        environment="staging",
        contexts={
            "os": {"name": "Linux", "version": "6.1"},
            "runtime": {"name": "CPython", "version": "3.12.1"},
        },
        server_name=SECRET,
        message="event:jane_doe.opened",
    )
    assert (row.user, row.organization_id) == (pseudonym("user", "42"), pseudonym("organization", "acme"))
    assert (row.is_internal, row.deployment_type) == (True, "cloud")
    assert row.metadata["app_version"] == "9.1"  # a tag goes before the release
    assert (row.metadata["environment"], row.metadata["os"]) == ("staging", "Linux")
    assert (row.metadata["app"], row.metadata["python_version"]) == ("shop", "3.12.1")
    assert row_of(release="shop@1.2.3+7").metadata["app_version"] == "1.2.3+7"
    assert "jane" not in repr((row.names, row.metadata)).lower()


# --- Timings -------------------------------------------------------------------------------------
def timed(
    name: str, op: str = "function", *, source: str = "custom", trace: Any = None, **fields: Any
) -> Row:
    return row_of(
        "transaction",
        type="transaction",
        transaction=name,
        transaction_info={"source": source},
        contexts={"trace": {"op": op} | (trace or {})},
        start_timestamp=BEGAN - 0.25,
        spans=[{"description": SECRET}],
        **fields,
    )


@pytest.mark.parametrize(
    ("name", "source", "fields", "endpoint", "method", "status"),
    [
        (
            "/items/{id}",
            "route",
            {"trace": {"data": {"http.response.status_code": 201}}},
            "/items/{id}",
            "_OTHER",
            201,
        ),
        ("GET /items/:id", "route", {"trace": {"status": "not_found"}}, "/items/:id", "GET", 404),
        ("/items/17", "url", {"request": {"method": "POST", "url": SECRET}}, "{unmatched}", "POST", None),
        ("shop.views.item", "component", {"trace": {"status": "ok"}}, "{unmatched}", "_OTHER", None),
        (
            "x",
            "task",
            {"trace": {"data": {"http.route": "/a/<int:n>", "http.method": "GET"}}},
            "/a/<int:n>",
            "GET",
            None,
        ),
    ],
)
def test_a_transaction_of_a_server_is_a_request(
    name: str, source: str, fields: dict[str, Any], endpoint: str, method: str, status: int | None
) -> None:
    row = timed(name, "http.server", source=source, tags={"route": "/b", "status_code": "500"}, **fields)
    assert (row.table, row.names) == ("endpoint", (endpoint, method, status, 250.0))


@pytest.mark.parametrize(
    ("name", "op", "feature"),
    [
        ("train_model", "function", "train_model"),
        ("shop.tasks.rebuild", "queue.task.celery", "shop.tasks.rebuild"),
        ("feature:fit", "function", "fit"),
        (f"mail to {SECRET}", "task", "task"),
        ("Load the basket", "a b", "transaction"),
        ("<unlabeled transaction>", "", "transaction"),
    ],
)
def test_any_other_transaction_is_a_timing(name: str, op: str, feature: str) -> None:
    row = timed(name, op, tags={"duration_ms": "7", "plan": "pro"})
    assert (row.table, row.names, row.metadata["duration_ms"]) == ("feature", (feature, "timed"), 250)


def test_a_page_is_timed_by_its_path() -> None:
    row = timed("/settings/billing", "pageload", source="url")
    assert (row.names, row.metadata["page.path"]) == (("page_view", "timed"), "/settings/billing")
    row = timed("/items/:id", "navigation", source="route")
    assert row.metadata["page.path"] == "/items/:id"
    assert timed("/items/17", "pageload", source="url").metadata["page.path"] != "/items/17"


def test_spans_in_a_container_are_timings_if_they_stand_for_a_transaction() -> None:
    def span(number: int, **fields: Any) -> dict[str, Any]:
        ids = {"trace_id": f"{number:032x}", "span_id": f"{number:016x}"}
        return ids | {"start_timestamp": BEGAN - 1, "end_timestamp": BEGAN, "is_segment": True} | fields

    said = {
        "user.id": "u1",
        "sentry.op": "pageload",
        "url.path": "/cart",
        "plan": "pro",
        "sentry.release": "shop@1.2.3",
    }
    said |= {"url.full": SECRET, "user.email": SECRET, "organization.id": "acme"}
    said |= {"event_category": "error", "event_name": "login", "endpoint": "/b"}  # choose no other table
    attributes = {name: {"value": value, "type": "string"} for name, value in said.items()}
    spans = [
        span(1, name="Pageload", attributes=attributes | {"odd": None}),
        span(2, name=SECRET, is_segment=False, attributes={"db.query": {"value": SECRET}}),
        span(3, name="fit", attributes=None),
        None,
    ]
    body = item("span", {"version": 2, "items": spans})
    assert SECRET not in repr(records(body))
    page, fit = mapped(body).rows
    assert (page.names, page.organization_id) == (("page_view", "timed"), pseudonym("organization", "acme"))
    origin = {"app": "shop", "app_version": "1.2.3"}
    assert page.metadata == origin | {"page.path": "/cart", "plan": "pro", "duration_ms": 1000}
    assert (fit.names, page.id) == (("fit", "timed"), mapped(body).rows[0].id)


def test_one_part_that_cannot_be_read_does_not_harm_the_others() -> None:
    def span(**fields: Any) -> dict[str, Any]:
        return {"name": "fit", "is_segment": True, "start_timestamp": BEGAN, "end_timestamp": BEGAN} | fields

    spans = [span(), span(end_timestamp="soon"), span(trace_id="x"), span(attributes=7), span(name="load")]
    counted = [{"started": BEGAN, "exited": 3}, {"started": "soon", "exited": 2}, {"started": BEGAN + 60}]
    batch = decode_envelope(
        envelope(item("span", {"items": spans}), item("sessions", {"aggregates": counted}))
    )
    result = a_maker().map(batch.records)
    assert [row.names[0] for row in result.rows] == ["fit", "load", "session_start", "session_start"]
    assert batch.malformed == {
        "span.end_timestamp": 1, "span.trace_id": 1, "span.attributes": 1, "sessions.started": 1,
    }  # fmt: skip


# --- Sessions ------------------------------------------------------------------------------------
def test_a_session_begins_and_ends() -> None:
    session = {
        "sid": "9a4dd079",
        "did": "u1",
        "started": BEGAN - 60,
        "timestamp": BEGAN,
        "attrs": {"release": "1.2"},
    }
    first = session | {"init": True, "status": "ok"}
    later = session | {"init": False, "status": "exited"}
    rows = [*mapped(item("session", first)).rows, *mapped(item("session", later)).rows]
    assert [(row.names[0], row.timestamp) for row in rows] == [
        ("session_start", (BEGAN - 60) * 1e6),
        ("session_end", BEGAN * 1e6),
    ]
    assert {row.session for row in rows} == {pseudonym("session", "9a4dd079")}
    assert {row.user for row in rows} == {pseudonym("user", "u1")}
    assert [row.names[0] for row in mapped(item("session", first | {"status": "crashed"})).rows] == [
        "session_start", "session_end",
    ]  # fmt: skip
    for status in ("ok", "unhandled", "errored", None, 7):  # not its end
        assert mapped(item("session", later | {"status": status})).total == 0


def test_counted_sessions_are_one_event_a_minute() -> None:
    counted = [
        {"started": BEGAN, "exited": 3, "errored": 1, "crashed": -5, "abnormal": "9"},
        None,
        {"started": BEGAN + 60, "exited": 2},
    ]
    rows = mapped(item("sessions", {"aggregates": counted, "attrs": {"environment": "test"}})).rows
    assert [(row.names[0], row.metadata["count"], row.metadata["environment"]) for row in rows] == [
        ("session_start", 4, "test"),
        ("session_start", 2, "test"),
    ]


def test_ids_that_are_none_are_refused_not_guessed() -> None:
    for user in ([1], {"a": 1}, True):
        assert mapped(item("event", event() | {"timestamp": BEGAN, "user": {"id": user}})).refused == {
            "bad_id": 1
        }
    without_time = json.dumps(
        {name: value for name, value in event().items() if name != "timestamp"}
    ).encode()
    assert mapped(item("event", without_time)).refused == {"no_timestamp": 1}
    old = item("event", event() | {"timestamp": "2020-01-01T00:00:00Z"})
    assert mapped(old).refused == {"too_old": 1}
    assert mapped(item("event", event() | {"type": "feedback", "timestamp": time.time()})).total == 0
