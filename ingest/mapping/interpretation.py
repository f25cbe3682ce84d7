"""What a record says, apart from who says it and when: its table, its names, its metadata.

This is slow, and records often say the same: `interpretation_cache.py` remembers the results.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from consent.registry.cleaning import as_text
from consent.registry.registry import Registry
from ingest.mapping import aliases, scrubbing
from ingest.mapping.identity import RecordRefused, SentIds, sent_ids
from ingest.mapping.name_limits import RouteBook
from ingest.mapping.path_templates import UNMATCHED, has_variable, route_template
from ingest.mapping.readings import (
    asks_not_to_be_tracked,
    deployment_type,
    duration,
    is_yes,
    status_code,
    with_function,
)
from ingest.mapping.routing import (
    ActivityEvent,
    BaseTelemetryEvent,
    EndpointEvent,
    FeatureEvent,
    Unroutable,
    route,
)
from ingest.otlp.records import Record

UNKNOWN = "unknown"  # deployment type
READ_FROM_RESOURCE = aliases.ROUTING | {aliases.PAGE, aliases.DURATION}
_NO_COLUMNS: frozenset[str] = frozenset()
_ENDPOINT_COLUMNS = frozenset({aliases.DURATION})


class ResourceContext(NamedTuple):
    """What a resource says about all its records."""

    attributes: dict[str, Any]
    ids: SentIds
    private: scrubbing.Private
    routing: dict[str, Any]  # the few attributes that routing reads
    metadata: dict[str, Any]
    deployment_type: str
    is_internal: bool
    do_not_track: bool
    key: str = ""  # under which `interpretation_cache.py` remembers; '' when it does not

    @property
    def read(self) -> tuple[Any, ...]:
        """Everything that can change the meaning of a record."""
        return self.routing, self.metadata, (self.deployment_type, self.is_internal, self.do_not_track)


class Meaning(NamedTuple):
    """What a record says. Shared by many records: nothing in it may be changed."""

    table: str = ""  # '' when it becomes no row
    names: tuple[Any, ...] = ()  # the table's own columns, without session and the span's own duration
    metadata: dict[str, Any] = {}
    duration_in: str = ""  # where the span's own duration belongs: 'names', 'metadata', or '' for nowhere
    deployment_type: str = ""
    is_internal: bool = False
    do_not_track: bool = False
    base_event: str = ""
    unroutable: str = ""  # the reason if it belongs to no table
    refusal: str = ""  # the reason if its names may not be stored
    texts: scrubbing.Texts | None = None  # all the text of its row: nothing private may be in it
    reads_path: bool = True  # whether another raw path could have given another meaning


class Interpreter:
    """Reads the records of one request, under one registry and one key's routes."""

    def __init__(self, registry: Registry, routes: RouteBook) -> None:
        self.registry, self._routes = registry, routes

    def context(self, attributes: dict[str, Any]) -> ResourceContext:
        """What a resource with these attributes says about its records."""
        private = scrubbing.private(attributes)
        return ResourceContext(
            attributes,
            sent_ids(attributes),
            private,
            {name: value for name, value in attributes.items() if name in READ_FROM_RESOURCE},
            scrubbing.metadata(attributes, self.registry, private, _ENDPOINT_COLUMNS),
            deployment_type(attributes) or UNKNOWN,
            is_yes(attributes.get(aliases.INTERNAL)),
            asks_not_to_be_tracked(attributes),
        )

    def interpret(
        self, record: Record, context: ResourceContext, private: scrubbing.Private = scrubbing.NOTHING_PRIVATE
    ) -> Meaning:
        """The meaning of a record, without what is private.

        May read only what `interpretation_cache.Meanings` looks records up by.
        """
        own = record.attributes
        attributes = {**context.routing, **own} if context.routing else own
        event = route(record, attributes, self.registry.event_names)
        do_not_track = context.do_not_track or asks_not_to_be_tracked(own)
        if isinstance(event, Unroutable):
            return Meaning(unroutable=event.reason, reads_path=False)
        if isinstance(event, BaseTelemetryEvent):
            return Meaning(base_event=event.name, do_not_track=do_not_track, reads_path=False)
        if isinstance(event, EndpointEvent):
            meaning = self._endpoint(record, attributes, event, private)
        elif isinstance(event, ActivityEvent):
            meaning = self._activity(record, event, private)
        else:
            meaning = self._feature(record, attributes, event, private)
        internal = own.get(aliases.INTERNAL)
        return meaning._replace(
            metadata={**context.metadata, **meaning.metadata} if context.metadata else meaning.metadata,
            deployment_type=deployment_type(own) or context.deployment_type,
            is_internal=context.is_internal if internal is None else is_yes(internal),
            do_not_track=do_not_track,
        )

    def _activity(self, record: Record, event: ActivityEvent, private: scrubbing.Private) -> Meaning:
        metadata = scrubbing.metadata(record.attributes, self.registry, private, _NO_COLUMNS)
        texts = scrubbing.texts_of((event.event_type,), metadata)
        try:
            names = (scrubbing.name(event.event_type, scrubbing.MAX_EVENT_TYPE, private),)
        except RecordRefused as refused:
            return Meaning(refusal=refused.reason, texts=texts, reads_path=False)
        return Meaning("activity", names, metadata, texts=texts, reads_path=False)

    def _feature(
        self,
        record: Record,
        attributes: Mapping[str, Any],
        event: FeatureEvent,
        private: scrubbing.Private,
    ) -> Meaning:
        metadata = scrubbing.metadata(with_function(record), self.registry, private, _NO_COLUMNS)
        words = (event.name, event.action)
        texts = scrubbing.texts_of(words, metadata)
        try:
            names = tuple(scrubbing.name(word, scrubbing.MAX_NAME, private) for word in words)
        except RecordRefused as refused:
            return Meaning(refusal=refused.reason, texts=texts, reads_path=False)
        reads_path = event.is_page_view or aliases.PAGE in attributes
        if reads_path:
            template = self._page(attributes)
            texts = scrubbing.texts_of((*words, template, unquote(template)), metadata)
            if template and aliases.PAGE in self.registry.attributes:
                metadata[aliases.PAGE] = scrubbing.path(template, private)
        duration_in = ""
        if event.is_timed and aliases.DURATION not in metadata and record.is_span:
            if attributes.get(aliases.DURATION) is None:
                duration_in = "metadata"
            elif (given := duration(attributes[aliases.DURATION])) is not None:
                metadata[aliases.DURATION] = given
        return Meaning("feature", names, metadata, duration_in, texts=texts, reads_path=reads_path)

    def _endpoint(
        self,
        record: Record,
        attributes: Mapping[str, Any],
        event: EndpointEvent,
        private: scrubbing.Private,
    ) -> Meaning:
        metadata = scrubbing.metadata(with_function(record), self.registry, private, _ENDPOINT_COLUMNS)
        template = route_template(event.route) if event.route else ""
        reads_path = not template
        if not template:
            template = self._routes.match(event.path) if event.path else UNMATCHED
        names = (scrubbing.path(template, private), event.method, status_code(event.status))
        texts = scrubbing.texts_of((template, unquote(template)), metadata)
        given = attributes.get(aliases.DURATION)
        if given is None:
            return Meaning("endpoint", names, metadata, "names", texts=texts, reads_path=reads_path)
        return Meaning("endpoint", (*names, duration(given)), metadata, texts=texts, reads_path=reads_path)

    def _page(self, attributes: Mapping[str, Any]) -> str:
        """The template of a page view's path, '' when it has none."""
        for name in aliases.PAGE_ROUTE:
            if template := route_template(as_text(attributes.get(name)) or ""):
                return template
        for name in aliases.PAGE_PATH:
            path = as_text(attributes.get(name))
            if not path or ("/" not in path and name in aliases.PERHAPS_PATHS):
                continue
            if has_variable(path) and name not in aliases.RAW_PATHS:
                return route_template(path)
            return self._routes.page(path)
        return ""
