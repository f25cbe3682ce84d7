"""What is remembered of one record never changes what becomes of another."""

import weakref
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.mapping import aliases
from ingest.mapping.interpretation_cache import MAX_REMEMBERED, cache_of
from ingest.mapping.name_limits import RouteBook
from ingest.mapping.routing import SESSION_EVENTS
from ingest.mapping.rows import Mapped, RowMaker
from ingest.otlp.records import CLIENT, INTERNAL, SERVER, Record, Resource
from tests.ingest.mapping.test_properties import REGISTRY
from tests.support.examples import examples
from tests.support.otlp import KEPT_FROM, NOW, nanoseconds, record, server

# Few values, many of them equal to one another or part of one another, so that the cache is hit often.
IDS = ("jane", "jane-doe", "/jane", "export", "none", "", 7, 7.0, True, None, ["jane"])
VALUES = (
    *("1", 1, 1.0, True, 0, 0.0, False, "", None, "jane", "export", "login", "jane-doe.opened", "/a/jane"),
    *(
        "GET",
        "/users/jane",
        "/api/items/{id}",
        "/jane/home",
        "200",
        200,
        200.0,
        "page_view",
        "error",
        "performance",
    ),
    *("user_activity", "endpoint_usage", "feature_usage", "bob@example.com", [1], {"a": 1}, float("nan")),
    *("run_export", "app.jobs.run_export", "KeyError"),
    *(12.5, "no", "cloud", "self_hosted", b"GET", "base_telemetry.heartbeat", "analytics.timer.started"),
)
NAMES = sorted(
    {
        *aliases.ROUTING,
        *aliases.PAGE_PATH,
        *aliases.PAGE_ROUTE,
        *aliases.FUNCTION,
        *REGISTRY.names,
        aliases.NAMESPACE,
        "deployment.type",
        "internal",
        "telemetry.do_not_track",
    }
)
ID_NAMES = ("user.id", "user_id", "organization.id", "session.id", "install_id")
attributes = st.builds(
    lambda said, who: {**said, **who},
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES), max_size=5),
    st.dictionaries(st.sampled_from(ID_NAMES), st.sampled_from(IDS), max_size=3),
)
names = st.sampled_from(["", "timer.started", "timer", "error", "page_view", "feature:a:b", *SESSION_EVENTS])
records = st.builds(
    Record,
    st.booleans(),
    attributes.map(Resource),
    st.sampled_from(["", "app.jobs"]),
    names,
    attributes,
    st.sampled_from([None, "", "timer.opened", "Jane opened it", "jane", "event:jane", "by_jane", 1, ["a"]]),
    st.sampled_from([0, INTERNAL, SERVER, CLIENT]),
    st.just(nanoseconds(NOW)),
    st.sampled_from([0, nanoseconds(NOW) + 1_500_000]),
    st.just(0),
    st.just("0af7651916cd43dd8448eb211c80319c"),
    st.just("b7ad6b7169203331"),
    st.just(0),
)


def mapped(record: Record, routes: RouteBook) -> Mapped:
    return RowMaker(
        organization="", do_not_track=False, now=NOW, kept_from=KEPT_FROM, registry=REGISTRY, routes=routes
    ).map([record])


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(records, min_size=2, max_size=8), st.lists(attributes, min_size=1, max_size=3))
def test_a_record_means_the_same_whatever_came_before(
    given_records: list[Record], others: list[dict[str, Any]]
) -> None:
    routes = RouteBook(REGISTRY.endpoints)
    every = [
        replace(record, attributes={**record.attributes, **other})
        for record in given_records
        for other in others
    ]
    for sent in [*given_records, *every, *given_records]:
        assert repr(mapped(sent, routes)) == repr(mapped(sent, RouteBook(REGISTRY.endpoints)))


def test_what_is_remembered_has_a_bound() -> None:
    routes = RouteBook(REGISTRY.endpoints)
    kept = cache_of(REGISTRY, routes)
    for number in range(3 * MAX_REMEMBERED):
        mapped(server(http__request__method="GET", url__path=f"/{number}"), routes)
        mapped(server(**{f"name_{number}": 1}), routes)
        if number % 100:
            continue
        assert sum(1 + len(shape.meanings) for shape in kept.shapes.values()) <= MAX_REMEMBERED
    mapped(server(http__request__method="GET", url__path="/" + "a" * 10_000), routes)
    assert max(len(repr(key)) for shape in kept.shapes.values() for key in shape.meanings) < 5000


def test_what_is_remembered_goes_when_its_route_book_does() -> None:
    """A key has a new book every ten seconds. What old ones left filled 1.8 GB in a run of the fuzzer."""
    routes = RouteBook(REGISTRY.endpoints)
    mapped(server(http__request__method="GET", url__path="/1"), routes)
    book, kept = weakref.ref(routes), weakref.ref(cache_of(REGISTRY, routes))
    del routes
    assert (book(), kept()) == (None, None)


def test_a_raw_path_is_looked_at_only_where_there_is_no_route() -> None:
    routes = RouteBook(REGISTRY.endpoints)
    kept = cache_of(REGISTRY, routes)
    for number in range(10):
        mapped(
            server(http__request__method="GET", http__route="/items/{id}", url__path=f"/items/{number}"),
            routes,
        )
    assert [len(shape.meanings) for shape in kept.shapes.values()] == [1]


def test_equal_values_of_different_types_do_not_mean_the_same() -> None:
    routes = RouteBook(REGISTRY.endpoints)
    for sent, stored in ((True, {"success": True}), (1, {}), (1.0, {}), (True, {"success": True})):
        (row,) = mapped(record("a.b", attributes={"success": sent}), routes).rows
        assert row.metadata == stored


def test_resources_that_differ_in_what_counts_give_records_different_meanings() -> None:
    routes = RouteBook(REGISTRY.endpoints)
    for resource, expected in (
        ({}, ("unknown", False, False)),
        ({"deployment.type": "cloud"}, ("cloud", False, False)),
        ({"internal": True}, ("unknown", True, False)),
        ({"telemetry.do_not_track": True}, ("unknown", False, True)),
    ):
        (row,) = mapped(record("a.b", resource=resource), routes).rows
        assert (row.deployment_type, row.is_internal, row.do_not_track) == expected
    for version in ("1.0", "2.0"):
        (row,) = mapped(record("a.b", resource={"app_version": version}), routes).rows
        assert row.metadata == {"app_version": version}
    for name in ("one", "two"):
        (row,) = mapped(record(resource={"feature.name": name}), routes).rows
        assert row.names[0] == name


def test_a_span_s_kind_and_session_name_count_and_its_other_names_do_not() -> None:
    routes = RouteBook(REGISTRY.endpoints)
    sent = {"http.method": "GET", "http.route": "/a"}
    assert mapped(server(attributes=sent), routes).rows
    assert not mapped(record("request", kind=CLIENT, attributes=sent), routes).rows
    for name, event_type in (("login", "login"), ("logout", "logout")):
        (row,) = mapped(record(name, kind=INTERNAL), routes).rows
        assert row.names[0] == event_type
    for name in ("timer.started", "timer.stopped"):
        (row,) = mapped(record(name), routes).rows
        assert row.names == tuple(name.split("."))
    for body in ("timer.opened", "timer.closed"):
        (row,) = mapped(record(body=body), routes).rows
        assert row.names == tuple(body.split("."))
