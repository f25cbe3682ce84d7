"""What a record says, apart from who says it and when: its table, its names, its metadata.

A sender says a few things over and over. `Memory` keeps what was made of each, for as long as
the route book it belongs to (seconds); who and when are never part of it. The remembered meaning is
that of a record that calls nothing private. One whose private words are among its others is understood anew.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple
from urllib.parse import unquote
from weakref import WeakKeyDictionary

from consent.registry.attributes import as_number, as_text
from consent.registry.registry import Registry
from ingest.mapping import routing, scrubbing
from ingest.mapping.identity import IdNames, Refusal, id_names
from ingest.mapping.name_limits import RouteBook
from ingest.mapping.path_templates import UNMATCHED, route_template
from ingest.otlp.records import Record

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
_READ = _READ_FROM_RESOURCE.union(PAGE_PATHS, DEPLOYMENT_NAMES, {"internal", "telemetry.do_not_track"})
_PATHS = frozenset((*routing.PATH_NAMES, *PAGE_PATHS, "path")) - {"page.path"}
_NO_COLUMNS: frozenset[str] = frozenset()
_ENDPOINT_COLUMNS = frozenset({"duration_ms"})

Picker = Callable[[dict[str, Any]], tuple[Any, ...]]

MAX_REMEMBERED = 4096  # meanings, and shapes, of one route book
MAX_KEY = 2000  # characters of names and of values; what is longer is understood each time


class Context(NamedTuple):
    """What the records of one resource have in common."""

    attributes: dict[str, Any]
    ids: IdNames
    private: scrubbing.Private
    routing: dict[str, Any]  # the few attributes that routing reads
    metadata: dict[str, Any]
    deployment_type: str
    is_internal: bool
    do_not_track: bool
    key: str  # tells contexts apart that give a record another meaning; '' when it would be too long


class Meaning(NamedTuple):
    """What a record says. Shared by many records: nothing in it may be changed."""

    table: str = ""  # '' when there is no row to make of it
    names: tuple[Any, ...] = ()  # the table's own columns, without session and the span's own duration
    metadata: dict[str, Any] = {}
    duration_in: str = ""  # where the span's own duration belongs: 'names', 'metadata' or nowhere
    deployment_type: str = ""
    is_internal: bool = False
    do_not_track: bool = False
    base_event: str = ""
    unroutable: str = ""  # why it has no place at all
    refusal: str = ""  # why its words cannot be stored
    texts: str = ""  # every word that its row is made of: what is private must not be among them
    reads_path: bool = True  # whether another raw path would have been another meaning


class Shape:
    """Records with the same attribute names: which of them matter, and what such records came to mean."""

    __slots__ = ("every_id", "ids", "known", "names_persons", "pick", "pick_with_path")

    def __init__(self, names: tuple[str, ...], matter: Iterable[str], paths: frozenset[str]) -> None:
        self.ids = id_names(names)
        self.every_id = tuple(chain.from_iterable(self.ids))
        self.names_persons = any(map(scrubbing.names_a_person, names))
        self.known: dict[Any, Meaning] = {}
        self.pick = _picker([name for name in matter if name not in paths])
        self.pick_with_path = _picker(list(matter))


class Memory:
    """What records came to mean under one registry and route book, by their shape.

    It must not refer to the book: it is kept for as long as the book is, by a weak reference to that.
    """

    __slots__ = ("__weakref__", "paths", "registry", "remembered", "shapes")

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        # Raw paths differ with every record and rarely count: they are looked at only where they do.
        self.paths = frozenset(name for name in _PATHS if not scrubbing.is_copied(name, registry))
        self.shapes: dict[tuple[str, ...], Shape] = {}
        self.remembered = 0

    def make_room(self) -> None:
        self.remembered += 1
        if self.remembered > MAX_REMEMBERED:
            self.shapes.clear()
            self.remembered = 0


_memories: WeakKeyDictionary[RouteBook, Memory] = WeakKeyDictionary()


def memory(registry: Registry, routes: RouteBook) -> Memory:
    """What is remembered under this registry and route book."""
    known = _memories.get(routes)
    if known is None or known.registry is not registry:
        known = _memories[routes] = Memory(registry)
    return known


class Meanings:
    """The meanings of the records of one request, by what is remembered of its registry and route book."""

    def __init__(self, registry: Registry, routes: RouteBook) -> None:
        self.registry = registry
        self._routes = routes
        self._memory = memory(registry, routes)

    def context(self, attributes: dict[str, Any]) -> Context:
        """What a resource with these attributes gives to its records."""
        read = {name: value for name, value in attributes.items() if name in _READ_FROM_RESOURCE}
        private = scrubbing.private(attributes)
        metadata = scrubbing.metadata(attributes, self.registry, private, _ENDPOINT_COLUMNS)
        common = (
            deployment_type(attributes) or UNKNOWN,
            is_yes(attributes.get("internal")),
            asks_not_to_be_tracked(attributes),
        )
        key = repr((read, metadata, common)) if _length(read) <= MAX_KEY else ""
        return Context(attributes, id_names(attributes), private, read, metadata, *common, key)

    def of(self, record: Record, context: Context) -> tuple[IdNames, Meaning]:
        """The names under which a record tells ids, and its meaning."""
        names = tuple(record.attributes)
        shape = self._memory.shapes.get(names) or self._shape(names)
        meaning = self._recall(shape, shape.pick, record, context)
        if meaning.reads_path:
            meaning = self._recall(shape, shape.pick_with_path, record, context)
        if meaning.texts and _may_tell(meaning.texts, shape, record.attributes, context):
            private = scrubbing.private(record.attributes).joined(context.private)
            if private.is_in(meaning.texts):
                meaning = self.understand(record, context, private)
        return shape.ids, meaning

    def understand(
        self, record: Record, context: Context, private: scrubbing.Private = scrubbing.NOTHING_PRIVATE
    ) -> Meaning:
        """The meaning of a record, without what is private.

        Reads nothing of the record that `_recall` does not look it up by.
        """
        own = record.attributes
        attributes = {**context.routing, **own} if context.routing else own
        routed = routing.route(record, attributes, self.registry.event_names)
        do_not_track = context.do_not_track or asks_not_to_be_tracked(own)
        if isinstance(routed, routing.Refused):
            return Meaning(unroutable=routed.reason, reads_path=False)
        if isinstance(routed, routing.Base):
            return Meaning(base_event=routed.name, do_not_track=do_not_track, reads_path=False)
        internal = own.get("internal")
        said = self._words(record, attributes, routed, private)
        return said._replace(
            metadata={**context.metadata, **said.metadata} if context.metadata else said.metadata,
            deployment_type=deployment_type(own) or context.deployment_type,
            is_internal=context.is_internal if internal is None else is_yes(internal),
            do_not_track=do_not_track,
        )

    def _words(
        self,
        record: Record,
        attributes: Mapping[str, Any],
        routed: routing.Endpoint | routing.Activity | routing.Feature,
        private: scrubbing.Private,
    ) -> Meaning:
        """Names and metadata, cleaned."""
        if isinstance(routed, routing.Endpoint):
            return self._endpoint(record, attributes, routed, private)
        kept = scrubbing.metadata(record.attributes, self.registry, private, _NO_COLUMNS)
        limit = scrubbing.MAX_EVENT_TYPE if isinstance(routed, routing.Activity) else scrubbing.MAX_NAME
        words = (routed.event_type,) if isinstance(routed, routing.Activity) else (routed.name, routed.action)
        texts = [*(word[: scrubbing.MAX_READ] for word in words), *_texts_of(kept)]
        try:
            names = tuple(scrubbing.name(word, limit, private) for word in words)
        except Refusal as refusal:
            return Meaning(refusal=refusal.reason, texts=_joined(texts), reads_path=False)
        if isinstance(routed, routing.Activity):
            return Meaning("activity", names, kept, texts=_joined(texts), reads_path=False)
        duration_in, reads_path = "", routed.is_page_view or "page.path" in attributes
        if reads_path:
            template = self._page(attributes)
            texts += (template, unquote(template))
            if template and "page.path" in self.registry.attributes:
                kept["page.path"] = scrubbing.path(template, private)
        if routed.is_timed and "duration_ms" not in kept and record.is_span:
            if attributes.get("duration_ms") is None:
                duration_in = "metadata"
            elif (given := duration(attributes["duration_ms"])) is not None:
                kept["duration_ms"] = given
        return Meaning("feature", names, kept, duration_in, texts=_joined(texts), reads_path=reads_path)

    def _endpoint(
        self,
        record: Record,
        attributes: Mapping[str, Any],
        routed: routing.Endpoint,
        private: scrubbing.Private,
    ) -> Meaning:
        kept = scrubbing.metadata(record.attributes, self.registry, private, _ENDPOINT_COLUMNS)
        template = route_template(routed.route) if routed.route else ""
        reads_path = not template
        if not template:
            template = self._routes.match(routed.path) if routed.path else UNMATCHED
        names = (scrubbing.path(template, private), routed.method, _status_code(routed.status))
        texts = _joined([template, unquote(template), *_texts_of(kept)])
        given = attributes.get("duration_ms")
        if given is None:
            return Meaning("endpoint", names, kept, "names", texts=texts, reads_path=reads_path)
        return Meaning("endpoint", (*names, duration(given)), kept, texts=texts, reads_path=reads_path)

    def _page(self, attributes: Mapping[str, Any]) -> str:
        for name in PAGE_PATHS:
            path = as_text(attributes.get(name))
            if path:
                return self._routes.match(path)
        return ""

    def _recall(self, shape: Shape, pick: Picker, record: Record, context: Context) -> Meaning:
        """What a record of this shape means, by the values that are picked: others do not matter."""
        if not context.key:
            return self.understand(record, context)
        if record.is_span:
            told: tuple[Any, ...] = (
                record.kind,
                record.name if record.name in routing.SESSION_EVENTS else "",
            )
        else:
            told = (record.name, routing.name_in_body(record))
        values = pick(record.attributes)
        # 1, 1.0 and True are equal, but do not mean the same.
        key = (told, values, tuple(map(type, values)), context.key)
        try:
            known = shape.known.get(key)
        except TypeError:  # a list or a map among the values
            return self.understand(record, context)
        if known is None:
            known = self.understand(record, context)
            if _length(key) <= MAX_KEY:
                self._memory.make_room()
                shape.known[key] = known
        return known

    def _shape(self, names: tuple[str, ...]) -> Shape:
        matter = [name for name in names if name in _READ or self.registry.find(name)]
        shape = Shape(names, matter, self._memory.paths)
        if sum(map(len, names)) <= MAX_KEY:
            self._memory.make_room()
            self._memory.shapes[names] = shape
        return shape


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


def duration(given: Any) -> float | None:
    """Milliseconds as they were sent, None for what is none. They win over a span's own, even broken."""
    number = as_number(given)
    return float(number) if number is not None and 0 <= number <= MAX_DURATION_MS else None


def own_duration(record: Record) -> float | None:
    """Milliseconds from a span's start to its end."""
    milliseconds = (record.end - record.time) / 1e6
    return milliseconds if record.end and 0 <= milliseconds <= MAX_DURATION_MS else None


def _status_code(value: Any) -> int | None:
    number = as_number(value)
    return int(number) if number is not None and 100 <= number <= 599 and number == int(number) else None


def _may_tell(texts: str, shape: Shape, attributes: Mapping[str, Any], context: Context) -> bool:
    """Whether something private may be among these texts. Asked for every record: as cheap as can be."""
    if shape.names_persons or context.private.names:
        return True
    for name in shape.every_id:
        value = attributes[name]
        text = value if isinstance(value, str) else as_text(value)
        if text and len(text) >= scrubbing.MIN_RAW_ID and text in texts:
            return True
    for raw in context.private.ids:  # noqa: SIM110
        if raw in texts:
            return True
    return False


def _picker(names: Sequence[str]) -> Picker:
    """A function that takes the values of these names, as a tuple."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda attributes: tuple(attributes[name] for name in names)


def _texts_of(kept: Mapping[str, Any]) -> list[str]:
    return [value for value in kept.values() if isinstance(value, str)]


def _joined(texts: Iterable[str]) -> str:
    return "\n".join(texts)


def _length(value: Any) -> int:
    """About how many characters and bytes there are in a value."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_length, chain(value, value.values())))
    return sum(map(_length, value)) if isinstance(value, tuple | list) else 8
