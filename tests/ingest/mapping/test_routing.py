"""The rules of docs/send-events.md, one by one: a record, and where it goes."""

import pytest

from ingest.mapping.routing import (
    ActivityEvent,
    BaseTelemetryEvent,
    EndpointEvent,
    FeatureEvent,
    Routed,
    Unroutable,
    route,
)
from ingest.otlp.records import CLIENT, PRODUCER, Record
from tests.support.otlp import internal, record, server

DECLARED = frozenset({"search"})

CASES: list[tuple[str, Record, Routed]] = [
    # 1. An explicit category.
    ("activity", internal(event__category="user_activity", event__type="login"), ActivityEvent("login")),
    (
        "activity, underscore",
        internal(event__category="user_activity", event_type="signup"),
        ActivityEvent("signup"),
    ),
    ("activity by name", record("auth.logout", event__category="user_activity"), ActivityEvent("logout")),
    ("activity by a span's name", internal("login", event__category="user_activity"), ActivityEvent("login")),
    ("activity of no type", internal(event__category="user_activity"), Unroutable("incomplete")),
    (
        "endpoint",
        internal(
            event__category="endpoint_usage", http__method="POST", http__route="/a/", http__status_code=200
        ),
        EndpointEvent("POST", "/a/", "", 200),
    ),
    (
        "endpoint in plain words",
        internal(event__category="endpoint_usage", method="get", endpoint="/a", status_code="201"),
        EndpointEvent("GET", "/a", "", "201"),
    ),
    (
        "a category wins over everything else",
        record("base_telemetry.heartbeat", event__category="feature_usage", feature__name="timer"),
        FeatureEvent("timer", "used"),
    ),
    (
        "feature",
        internal(event__category="feature_usage", feature__name="task", feature__action="created"),
        FeatureEvent("task", "created"),
    ),
    (
        "feature by name",
        record("timer.started", event__category="feature_usage"),
        FeatureEvent("timer", "started"),
    ),
    ("feature of no name", internal(event__category="feature_usage"), Unroutable("incomplete")),
    (
        "page view as a feature",
        internal(event__category="feature_usage", feature__name="page_view", feature__action="viewed"),
        FeatureEvent("page_view", "viewed", is_page_view=True),
    ),
    (
        "event_category is no category",
        record("project.created", event_category="feature_usage"),
        FeatureEvent("project", "created"),
    ),
    # 2. Base telemetry, by a name in any of its four places.
    ("base by eventName", record("base_telemetry.first_seen"), BaseTelemetryEvent("first_seen")),
    ("base by event.name", record(event__name="base_telemetry.heartbeat"), BaseTelemetryEvent("heartbeat")),
    ("base by event_name", record(event_name="base_telemetry.heartbeat"), BaseTelemetryEvent("heartbeat")),
    ("base by body", record(body="base_telemetry.heartbeat"), BaseTelemetryEvent("heartbeat")),
    ("base with analytics.", record("analytics.base_telemetry.first_seen"), BaseTelemetryEvent("first_seen")),
    ("base of another kind", record("base_telemetry.other"), Unroutable("unroutable")),
    ("base as a span's name", internal("base_telemetry.heartbeat"), Unroutable("unroutable")),
    (
        "eventName before event.name",
        record("search", event__name="timer.started"),
        FeatureEvent("search", "used"),
    ),
    # 3. What a person did.
    ("event.type", record(event__type="password_changed"), ActivityEvent("password_changed")),
    ("event.type of a session", record(event__type="session.start"), ActivityEvent("session_start")),
    ("login", record("login"), ActivityEvent("login")),
    ("auth.login", record(body="auth.login"), ActivityEvent("login")),
    ("analytics.logout", record("analytics.logout"), ActivityEvent("logout")),
    ("auth.logout", internal("auth.logout"), ActivityEvent("logout")),
    ("session.start", record("session.start"), ActivityEvent("session_start")),
    ("session.end", record("session.end"), ActivityEvent("session_end")),
    ("session_start", record("session_start"), ActivityEvent("session_start")),
    ("session_end", record("session_end"), ActivityEvent("session_end")),
    ("a failed login is none", record("auth.login_failed"), FeatureEvent("auth", "login_failed")),
    # 4. Requests.
    (
        "server, current names",
        server(
            http__request__method="GET",
            http__route="/a/{id}",
            url__path="/a/1",
            http__response__status_code=200,
        ),
        EndpointEvent("GET", "/a/{id}", "/a/1", 200),
    ),
    (
        "server, deprecated names",
        server(http__method="GET", http__target="/a/1?b=2", http__status_code=200),
        EndpointEvent("GET", "", "/a/1?b=2", 200),
    ),
    (
        "server without a status",
        server(http__method="GET", http__url="http://h/a"),
        EndpointEvent("GET", "", "http://h/a", None),
    ),
    (
        "internal with a status",
        internal(http__method="GET", http__status_code=200),
        EndpointEvent("GET", "", "", 200),
    ),
    (
        "internal with a route",
        internal(http__method="GET", http__route="/a"),
        EndpointEvent("GET", "/a", "", None),
    ),
    ("internal with neither", internal(http__method="GET"), Unroutable("unroutable")),
    (
        "log with a status",
        record(http__method="GET", http__status_code=200),
        EndpointEvent("GET", "", "", 200),
    ),
    ("log with neither", record(http__method="GET"), Unroutable("unroutable")),
    (
        "client",
        record("GET", kind=CLIENT, http__method="GET", http__status_code=200),
        Unroutable("unroutable"),
    ),
    ("producer", record("send", kind=PRODUCER, feature__name="mail"), Unroutable("unroutable")),
    ("client of a feature", record("x", kind=CLIENT, feature__name="mail"), Unroutable("unroutable")),
    ("a method of no standard", server(http__method="BREW"), EndpointEvent("_OTHER", "", "", None)),
    ("a method in small letters", server(http__method="get"), EndpointEvent("GET", "", "", None)),
    # 5. Page views.
    ("page.view", record("page.view"), FeatureEvent("page_view", "viewed", is_page_view=True)),
    ("page_view", record("page_view"), FeatureEvent("page_view", "viewed", is_page_view=True)),
    ("$pageview", record(body="$pageview"), FeatureEvent("page_view", "viewed", is_page_view=True)),
    # 6. Features.
    ("feature.name", internal(feature__name="export", feature__action="pdf"), FeatureEvent("export", "pdf")),
    ("feature.name alone", internal(feature__name="export"), FeatureEvent("export", "used")),
    ("thing.happened", record("timer.started"), FeatureEvent("timer", "started")),
    ("a.b.c", record("admin.user.created"), FeatureEvent("admin.user", "created")),
    ("analytics.thing.happened", record("analytics.timer.started"), FeatureEvent("timer", "started")),
    ("declared", record("search"), FeatureEvent("search", "used")),
    ("error", record("error", error__type="KeyError"), FeatureEvent("error", "failed")),
    ("error of a thing", record("export.crashed", event__category="error"), FeatureEvent("export", "failed")),
    ("exception", record("exception", exception__type="KeyError"), FeatureEvent("exception", "failed")),
    (
        "performance",
        internal(event__category="performance", feature__name="load", duration_ms=12),
        FeatureEvent("load", "timed", is_timed=True),
    ),
    # 7. Anything else.
    ("undeclared", record("identify"), Unroutable("unroutable")),
    ("prose", record(body="Could not reach jane@example.com."), Unroutable("unroutable")),
    ("a sentence's end", record(body="Done."), Unroutable("unroutable")),
    ("structure", record(body={"a": 1}), Unroutable("unroutable")),
    ("nothing", record(), Unroutable("unroutable")),
    ("a span's dotted name", internal("timer.started"), Unroutable("unroutable")),
]


@pytest.mark.parametrize(("given", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_record_goes_where_the_rules_say(given: Record, expected: Routed) -> None:
    assert route(given, given.attributes, DECLARED) == expected
