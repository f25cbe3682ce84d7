"""PRODUCT section 3, rule by rule: a record, and where it goes."""

import pytest

from ingest.mapping.routing import Activity, Base, Endpoint, Feature, Refused, Routed, route
from ingest.otlp.records import CLIENT, PRODUCER, Record
from tests.support.otlp import internal, record, server

DECLARED = frozenset({"search"})

CASES: list[tuple[str, Record, Routed]] = [
    # 1. An explicit category.
    ("activity", internal(event__category="user_activity", event__type="login"), Activity("login")),
    (
        "activity, underscore",
        internal(event__category="user_activity", event_type="signup"),
        Activity("signup"),
    ),
    ("activity by name", record("auth.logout", event__category="user_activity"), Activity("logout")),
    ("activity by a span's name", internal("login", event__category="user_activity"), Activity("login")),
    ("activity of no type", internal(event__category="user_activity"), Refused("incomplete")),
    (
        "endpoint",
        internal(
            event__category="endpoint_usage", http__method="POST", http__route="/a/", http__status_code=200
        ),
        Endpoint("POST", "/a/", "", 200),
    ),
    (
        "endpoint in plain words",
        internal(event__category="endpoint_usage", method="get", endpoint="/a", status_code="201"),
        Endpoint("GET", "/a", "", "201"),
    ),
    (
        "a category wins over everything else",
        record("base_telemetry.heartbeat", event__category="feature_usage", feature__name="timer"),
        Feature("timer", "used"),
    ),
    (
        "feature",
        internal(event__category="feature_usage", feature__name="task", feature__action="created"),
        Feature("task", "created"),
    ),
    (
        "feature by name",
        record("timer.started", event__category="feature_usage"),
        Feature("timer", "started"),
    ),
    ("feature of no name", internal(event__category="feature_usage"), Refused("incomplete")),
    (
        "page view as a feature",
        internal(event__category="feature_usage", feature__name="page_view", feature__action="viewed"),
        Feature("page_view", "viewed", is_page_view=True),
    ),
    (
        "event_category is no category",
        record("project.created", event_category="feature_usage"),
        Feature("project", "created"),
    ),
    # 2. Base telemetry, by any of the four places of a name.
    ("base by eventName", record("base_telemetry.first_seen"), Base("first_seen")),
    ("base by event.name", record(event__name="base_telemetry.heartbeat"), Base("heartbeat")),
    ("base by event_name", record(event_name="base_telemetry.heartbeat"), Base("heartbeat")),
    ("base by body", record(body="base_telemetry.heartbeat"), Base("heartbeat")),
    ("base with analytics.", record("analytics.base_telemetry.first_seen"), Base("first_seen")),
    ("base of another kind", record("base_telemetry.other"), Refused("unroutable")),
    ("base as a span's name", internal("base_telemetry.heartbeat"), Refused("unroutable")),
    ("eventName before event.name", record("search", event__name="timer.started"), Feature("search", "used")),
    # 3. What a person did.
    ("event.type", record(event__type="password_changed"), Activity("password_changed")),
    ("event.type of a session", record(event__type="session.start"), Activity("session_start")),
    ("login", record("login"), Activity("login")),
    ("auth.login", record(body="auth.login"), Activity("login")),
    ("analytics.logout", record("analytics.logout"), Activity("logout")),
    ("auth.logout", internal("auth.logout"), Activity("logout")),
    ("session.start", record("session.start"), Activity("session_start")),
    ("session.end", record("session.end"), Activity("session_end")),
    ("session_start", record("session_start"), Activity("session_start")),
    ("session_end", record("session_end"), Activity("session_end")),
    ("a failed login is none", record("auth.login_failed"), Feature("auth", "login_failed")),
    # 4. Requests.
    (
        "server, current names",
        server(
            http__request__method="GET",
            http__route="/a/{id}",
            url__path="/a/1",
            http__response__status_code=200,
        ),
        Endpoint("GET", "/a/{id}", "/a/1", 200),
    ),
    (
        "server, deprecated names",
        server(http__method="GET", http__target="/a/1?b=2", http__status_code=200),
        Endpoint("GET", "", "/a/1?b=2", 200),
    ),
    (
        "server without a status",
        server(http__method="GET", http__url="http://h/a"),
        Endpoint("GET", "", "http://h/a", None),
    ),
    (
        "internal with a status",
        internal(http__method="GET", http__status_code=200),
        Endpoint("GET", "", "", 200),
    ),
    (
        "internal with a route",
        internal(http__method="GET", http__route="/a"),
        Endpoint("GET", "/a", "", None),
    ),
    ("internal with neither", internal(http__method="GET"), Refused("unroutable")),
    ("log with a status", record(http__method="GET", http__status_code=200), Endpoint("GET", "", "", 200)),
    ("log with neither", record(http__method="GET"), Refused("unroutable")),
    ("client", record("GET", kind=CLIENT, http__method="GET", http__status_code=200), Refused("unroutable")),
    ("producer", record("send", kind=PRODUCER, feature__name="mail"), Refused("unroutable")),
    ("a method of no standard", server(http__method="BREW"), Endpoint("_OTHER", "", "", None)),
    ("a method in small letters", server(http__method="get"), Endpoint("GET", "", "", None)),
    # 5. Page views.
    ("page.view", record("page.view"), Feature("page_view", "viewed", is_page_view=True)),
    ("page_view", record("page_view"), Feature("page_view", "viewed", is_page_view=True)),
    ("$pageview", record(body="$pageview"), Feature("page_view", "viewed", is_page_view=True)),
    # 6. Features.
    ("feature.name", internal(feature__name="export", feature__action="pdf"), Feature("export", "pdf")),
    ("feature.name alone", internal(feature__name="export"), Feature("export", "used")),
    ("thing.happened", record("timer.started"), Feature("timer", "started")),
    ("a.b.c", record("admin.user.created"), Feature("admin.user", "created")),
    ("analytics.thing.happened", record("analytics.timer.started"), Feature("timer", "started")),
    ("declared", record("search"), Feature("search", "used")),
    ("error", record("error", error__type="KeyError"), Feature("error", "failed")),
    ("error of a thing", record("export.crashed", event__category="error"), Feature("export", "failed")),
    ("exception", record("exception", exception__type="KeyError"), Feature("exception", "failed")),
    (
        "performance",
        internal(event__category="performance", feature__name="load", duration_ms=12),
        Feature("load", "timed", is_timed=True),
    ),
    # 7. Anything else.
    ("undeclared", record("identify"), Refused("unroutable")),
    ("prose", record(body="Could not reach jane@example.com."), Refused("unroutable")),
    ("a sentence's end", record(body="Done."), Refused("unroutable")),
    ("structure", record(body={"a": 1}), Refused("unroutable")),
    ("nothing", record(), Refused("unroutable")),
    ("a span's dotted name", internal("timer.started"), Refused("unroutable")),
]


@pytest.mark.parametrize(("given", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_record_goes_where_the_rules_say(given: Record, expected: Routed) -> None:
    assert route(given, given.attributes, DECLARED) == expected
