"""Records into rows: the parts of `routing`, `identity`, `templates` and `scrub`, put together.

One `RowMaker` serves one request and remembers what its records have in common.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from analytics.store import BaseEvent, Row
from consent.attributes import as_number, as_text
from consent.policy import Tier
from consent.pseudonyms import anonymous_user
from consent.registry import Registry
from ingest import routing, scrub
from ingest.identity import Identities, Refusal, Subjects
from ingest.names import RouteBook
from ingest.otlp.records import Record, Resource
from ingest.templates import UNMATCHED, route_template

DEPLOYMENT_NAMES = (
    "deployment.type",
    "deployment_type",
    "deployment.environment.name",
    "deployment.environment",
)
DEPLOYMENT_TYPES = {
    "cloud": "cloud",
    "self-hosted": "self-hosted",
    "self_hosted": "self-hosted",
    "selfhosted": "self-hosted",
}
UNKNOWN = "unknown"
PAGE_PATHS = (
    "page.path",
    "$pathname",
    "pathname",
    "url.path",
    "$current_url",
    "current_url",
    "url.full",
    "http.url",
)
MAX_DURATION_MS = 1e9  # eleven days; a longer one is a broken clock
_NO = frozenset({"", "0", "false", "no", "off"})
_READ_FROM_RESOURCE = routing.NAMES_READ | {"page.path", "duration_ms"}
_NO_COLUMNS: frozenset[str] = frozenset()
_ENDPOINT_COLUMNS = frozenset({"duration_ms"})


class Mapped(NamedTuple):
    """What a request's records have become."""

    rows: list[Row]
    base_events: list[BaseEvent]
    refused: Counter[str]


class _Shared(NamedTuple):
    """What the records of one resource have in common."""

    attributes: dict[str, Any]
    routing: dict[str, Any]  # the few of them that routing reads
    private: scrub.Private
    metadata: dict[str, Any]
    deployment_type: str
    is_internal: bool
    do_not_track: bool


class RowMaker:
    """Makes the rows of one request."""

    def __init__(
        self, *, organization: str, do_not_track: bool, now: datetime, registry: Registry, routes: RouteBook
    ) -> None:
        self._organization = organization  # the key's own, '' when it is bound to none
        self._do_not_track = do_not_track
        self._registry = registry
        self._routes = routes
        self._identities = Identities(now)
        self._resource: Resource | None = None
        self._shared: _Shared

    def map(self, records: Iterable[Record]) -> Mapped:
        """Rows, base events, and the reasons of the records that became neither."""
        rows: list[Row] = []
        base_events: list[BaseEvent] = []
        refused: Counter[str] = Counter()
        for record in records:
            try:
                made = self._make(record)
            except Refusal as refusal:
                refused[refusal.reason] += 1
                continue
            if isinstance(made, Row):
                rows.append(made)
            else:
                base_events.append(made)
        return Mapped(rows, base_events, refused)

    def _make(self, record: Record) -> Row | BaseEvent:
        if record.resource is not self._resource:
            self._resource, self._shared = record.resource, self._share(record.resource.attributes)
        shared = self._shared
        attributes = {**shared.routing, **record.attributes} if shared.routing else record.attributes
        nanoseconds, timestamp = self._identities.timestamp(record)
        routed = routing.route(record, attributes, self._registry.event_names)
        if isinstance(routed, routing.Refused):
            raise Refusal(routed.reason)
        row_id = self._identities.row_id(record, nanoseconds)
        subjects = self._identities.subjects(record.attributes, shared.attributes)
        do_not_track = self._do_not_track or shared.do_not_track or asks_not_to_be_tracked(record.attributes)
        private = scrub.private(record.attributes).joined(shared.private)
        if isinstance(routed, routing.Base):
            if not subjects.installation:
                raise Refusal("no_installation")
            facts = self._facts((record.attributes, shared.attributes), private)
            return BaseEvent(row_id, routed.name, timestamp, subjects.installation, facts, do_not_track)
        organization = self._organization_of(subjects)
        table, names, metadata = self._columns(record, attributes, routed, subjects, private)
        internal = record.attributes.get("internal")
        return Row(
            table,
            row_id,
            timestamp,
            subjects.user,
            subjects.user
            or anonymous_user(
                session=subjects.session, installation=subjects.installation, organization=organization
            ),
            organization,
            deployment_type(record.attributes) or shared.deployment_type,
            shared.is_internal if internal is None else is_yes(internal),
            {**shared.metadata, **metadata} if shared.metadata else metadata,
            names,
            do_not_track,
        )

    def _share(self, attributes: dict[str, Any]) -> _Shared:
        private = scrub.private(attributes)
        return _Shared(
            attributes,
            {name: value for name, value in attributes.items() if name in _READ_FROM_RESOURCE},
            private,
            scrub.metadata(attributes, self._registry, private, _ENDPOINT_COLUMNS),
            deployment_type(attributes) or UNKNOWN,
            is_yes(attributes.get("internal")),
            asks_not_to_be_tracked(attributes),
        )

    def _organization_of(self, subjects: Subjects) -> str:
        if self._organization and subjects.organization not in ("", self._organization):
            raise Refusal("other_organization")
        return self._organization or subjects.organization

    def _columns(
        self,
        record: Record,
        attributes: Mapping[str, Any],
        routed: routing.Routed,
        subjects: Subjects,
        private: scrub.Private,
    ) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """The table, its own columns, and the metadata."""
        if isinstance(routed, routing.Endpoint):
            endpoint = scrub.path(self._endpoint(routed), private)
            columns = (endpoint, routed.method, _status_code(routed.status), _duration(record, attributes))
            kept = scrub.metadata(record.attributes, self._registry, private, _ENDPOINT_COLUMNS)
            return "endpoint", columns, kept
        kept = scrub.metadata(record.attributes, self._registry, private, _NO_COLUMNS)
        if isinstance(routed, routing.Activity):
            event_type = scrub.name(routed.event_type, scrub.MAX_EVENT_TYPE, private)
            return "activity", (event_type, subjects.session), kept
        assert isinstance(routed, routing.Feature)
        names = (
            scrub.name(routed.name, scrub.MAX_NAME, private),
            scrub.name(routed.action, scrub.MAX_NAME, private),
        )
        if routed.is_page_view or "page.path" in attributes:
            kept.update(self._page(attributes, private))
        if routed.is_timed and "duration_ms" not in kept and record.is_span:
            kept.update(_known("duration_ms", _duration(record, attributes)))
        return "feature", names, kept

    def _endpoint(self, routed: routing.Endpoint) -> str:
        template = route_template(routed.route) if routed.route else ""
        return template or (self._routes.match(routed.path) if routed.path else UNMATCHED)

    def _page(self, attributes: Mapping[str, Any], private: scrub.Private) -> dict[str, Any]:
        for name in PAGE_PATHS:
            path = as_text(attributes.get(name))
            if path:
                template = scrub.path(self._routes.match(path), private)
                return {"page.path": template} if "page.path" in self._registry.attributes else {}
        return {}

    def _facts(self, sources: tuple[Mapping[str, Any], ...], private: scrub.Private) -> dict[str, str]:
        """The declared facts of an installation; whatever else was sent is left behind."""
        names = [attribute.name for attribute in self._registry.of_tier(Tier.BASE)]
        kept = scrub.facts(sources, self._registry, private, names)
        claimed = next(filter(None, map(deployment_type, sources)), "")
        return {**kept, "deployment_type": claimed} if claimed else kept


def deployment_type(attributes: Mapping[str, Any]) -> str:
    """`cloud`, `self-hosted`, or '' when these attributes do not say."""
    for name in DEPLOYMENT_NAMES:
        value = attributes.get(name)
        if isinstance(value, str):
            known = DEPLOYMENT_TYPES.get(value.strip().lower())
            if known:
                return known
    return ""


def is_yes(value: Any) -> bool:
    """Whether a flag is set. Anything but a plain no counts, for what it asks is to be left alone."""
    if value is None or isinstance(value, bool):
        return bool(value)
    text = as_text(value)
    return text is None or text.strip().lower() not in _NO


def asks_not_to_be_tracked(attributes: Mapping[str, Any]) -> bool:
    """The signal of these attributes. Sent with a value that cannot be read, it counts: in doubt, denied."""
    if "telemetry.do_not_track" not in attributes:
        return False
    value = attributes["telemetry.do_not_track"]
    return value is None or is_yes(value)


def _status_code(value: Any) -> int | None:
    number = as_number(value)
    return int(number) if number is not None and 100 <= number <= 599 and number == int(number) else None


def _duration(record: Record, attributes: Mapping[str, Any]) -> float | None:
    """Milliseconds. A given duration wins, even a broken one: the span around it may be of something else."""
    if attributes.get("duration_ms") is not None:
        number = as_number(attributes["duration_ms"])
        return float(number) if number is not None and 0 <= number <= MAX_DURATION_MS else None
    milliseconds = (record.end - record.time) / 1e6
    return milliseconds if record.end and 0 <= milliseconds <= MAX_DURATION_MS else None


def _known(name: str, value: Any) -> dict[str, Any]:
    return {} if value is None else {name: value}
