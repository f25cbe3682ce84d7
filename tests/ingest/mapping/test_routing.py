"""The rules of docs/send-events.md, one by one: a record, and where it goes."""

import re
import string

import pytest
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st

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
from tests.support.examples import examples
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
    ("base as a span's name", internal("base_telemetry.heartbeat"), Unroutable("not_an_event")),
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
        Unroutable("not_an_event"),
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
    # 6. Names without a dot: an app's own words, wherever it says that they are a name.
    ("eventName", record("button_click"), FeatureEvent("button_click", "used")),
    ("event.name", record(event__name="identify"), FeatureEvent("identify", "used")),
    ("event_name", record("", event_name="$identify"), FeatureEvent("identify", "used")),
    ("analytics.thing", record("analytics.button-click"), FeatureEvent("button-click", "used")),
    ("event.name of a span", internal("x", event__name="checkOut"), FeatureEvent("checkOut", "used")),
    ("a name that a body repeats", record("started", body="started"), FeatureEvent("started", "used")),
    ("with an action", record("task", feature__action="created"), FeatureEvent("task", "created")),
    ("snake case as a body", record(body="button_click"), FeatureEvent("button_click", "used")),
    ("a declared name as a body", record(body="search"), FeatureEvent("search", "used")),
    ("event:x", record("event:x"), FeatureEvent("x", "used")),
    ("event:x as a body", record(body="event:x"), FeatureEvent("x", "used")),
    ("event:x.y", record(event__name="event:timer.started"), FeatureEvent("timer", "started")),
    ("event:login", record(body="event:login"), ActivityEvent("login")),
    ("event:page_view", record("event:page_view"), FeatureEvent("page_view", "viewed", is_page_view=True)),
    ("feature:x", record("feature:export"), FeatureEvent("export", "used")),
    ("feature:x as a body", record(body="feature:export"), FeatureEvent("export", "used")),
    ("feature:x:created", record("feature:task:created"), FeatureEvent("task", "created")),
    ("feature:x.created", record(body="feature:task.created"), FeatureEvent("task", "created")),
    ("feature:a.b:c", record(event_name="feature:admin.user:added"), FeatureEvent("admin.user", "added")),
    ("feature:login is a feature", record("feature:login"), FeatureEvent("login", "used")),
    ("thing:happened", record("timer:started"), FeatureEvent("timer", "started")),
    ("explicit, by prefix", record("feature:a", event__category="feature_usage"), FeatureEvent("a", "used")),
    # What a log says is no name, unless it is written like one.
    ("a log line of one word", record(body="started"), Unroutable("unroutable")),
    ("a log line with a colon", record(body="user:alice"), Unroutable("unroutable")),
    ("a log line in capitals", record(body="DISK_FULL"), Unroutable("unroutable")),
    ("a log line", record(body="User alice logged in"), Unroutable("unroutable")),
    ("prose as a name", record("User alice logged in"), Unroutable("unroutable")),
    ("an address as a name", record(event__name="bob@example.com"), Unroutable("unroutable")),
    ("a name of no end", record("x" * 101), Unroutable("unroutable")),
    ("letters of no alphabet here", record("größe"), Unroutable("unroutable")),
    ("a span's own name", internal("button_click"), Unroutable("not_an_event")),
    ("a span's own name, prefixed", server("event:button_click"), Unroutable("unroutable")),
    # Errors, as logging libraries report them.
    (
        "a logged exception",
        record(body="Could not export", exception__type="KeyError"),
        FeatureEvent("exception", "failed"),
    ),
    ("in one word", record(body="failed", exception__type="KeyError"), FeatureEvent("exception", "failed")),
    (
        "of a thing",
        record(body="invoice_export.crashed", exception__type="KeyError"),
        FeatureEvent("invoice_export", "failed"),
    ),
    (
        "of a feature",
        record(body="Oh.", exception__type="E", feature__name="export"),
        FeatureEvent("export", "failed"),
    ),
    ("a named event stays what it is", record("a.b", exception__type="E"), FeatureEvent("a", "b")),
    ("error as a body", record(body="error"), FeatureEvent("error", "failed")),
    ("error:thing", record("error:timeout"), FeatureEvent("error", "failed")),
    # Page views on spans: by their event name.
    (
        "page view of a server span",
        server("page_view", event__name="page.view", http__route="/a/{id}"),
        FeatureEvent("page_view", "viewed", is_page_view=True),
    ),
    (
        "page view with a route",
        record("page.view", http__route="/a/{id}"),
        FeatureEvent("page_view", "viewed", is_page_view=True),
    ),
    # 2. Older clients' reports of an installation.
    ("telemetry.install", record(body="telemetry.install"), BaseTelemetryEvent("first_seen")),
    ("telemetry.update", record(event_name="telemetry.update"), BaseTelemetryEvent("heartbeat")),
    ("telemetry.health", record("telemetry.health"), BaseTelemetryEvent("heartbeat")),
    ("telemetry.enabled", record("telemetry.enabled"), FeatureEvent("telemetry", "enabled")),
    # 7. Anything else.
    ("prose", record(body="Could not reach jane@example.com."), Unroutable("unroutable")),
    ("a sentence's end", record(body="Done."), Unroutable("unroutable")),
    ("structure", record(body={"a": 1}), Unroutable("unroutable")),
    ("nothing", record(), Unroutable("unroutable")),
    ("a span's dotted name", internal("timer.started"), Unroutable("not_an_event")),
]


@pytest.mark.parametrize(("given", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_record_goes_where_the_rules_say(given: Record, expected: Routed) -> None:
    assert route(given, given.attributes, DECLARED) == expected


PIECES = [
    "event:",
    "feature:",
    "analytics.",
    "$",
    ".",
    ":",
    "_",
    " ",
    "alice",
    "user",
    "@",
    "/",
    "4711",
    "\u00e9",
]
said = st.lists(st.sampled_from(PIECES) | st.text(string.printable, max_size=4), max_size=6).map("".join)


@settings(max_examples=examples(80), deadline=None)
@given_any(said)
def test_only_what_is_written_like_a_name_is_one(text: str) -> None:
    """Whatever a log says: a feature's name has a form, and a line of a log is no name."""
    for given in (record(text), record(event__name=text), record(body=text)):
        event = route(given, given.attributes, frozenset())
        if not isinstance(event, FeatureEvent):
            continue
        assert re.fullmatch(r"[A-Za-z][\w-]*(\.[A-Za-z][\w-]*)*", event.name, re.ASCII), event
        assert re.fullmatch(r"[A-Za-z][\w-]*", event.action, re.ASCII), event
        if given.body is not None:
            assert re.fullmatch(r"[a-z0-9_.:$]+", text)
            assert "_" in text or "." in text or text.startswith(("event:", "feature:", "error", "exception"))
