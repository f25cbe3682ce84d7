"""Remembers what records mean: a sender says the same few things over and over.

Meanings are kept for as long as the route book they belong to (seconds). Who and when are never part
of a meaning. A remembered one is that of a record without anything private: a record with private words
in its texts is interpreted anew.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any
from weakref import WeakKeyDictionary

from consent.registry.cleaning import as_text
from consent.registry.registry import Registry
from ingest.mapping import aliases, routing, scrubbing
from ingest.mapping.identity import SentIds, sent_ids
from ingest.mapping.interpretation import READ_FROM_RESOURCE, Interpreter, Meaning, ResourceContext
from ingest.mapping.name_limits import RouteBook
from ingest.otlp.records import Record

MAX_REMEMBERED = 4096  # meanings, and shapes, of one route book
MAX_KEY = 2000  # characters of names and of values; longer ones are interpreted each time
_READ = READ_FROM_RESOURCE.union(
    aliases.PAGE_ROUTE,
    aliases.PAGE_PATH,
    aliases.DEPLOYMENT,
    aliases.FUNCTION,
    {aliases.INTERNAL, aliases.DO_NOT_TRACK, aliases.NAMESPACE},
)

Picker = Callable[[dict[str, Any]], tuple[Any, ...]]


class AttributeShape:
    """Records with the same attribute names: which names matter, and what such records mean."""

    __slots__ = ("every_id", "ids", "meanings", "names_function", "names_persons", "pick", "pick_with_path")

    def __init__(self, names: tuple[str, ...], matter: Iterable[str], paths: frozenset[str]) -> None:
        self.ids = sent_ids(names)
        self.every_id = tuple(chain.from_iterable(kind for _, kind in self.ids))
        self.names_function = not set(aliases.FUNCTION).isdisjoint(names)
        self.names_persons = any(map(scrubbing.names_a_person, names))
        self.meanings: dict[Any, Meaning] = {}
        self.pick = _picker([name for name in matter if name not in paths])
        self.pick_with_path = _picker(list(matter))


class MeaningCache:
    """The meanings under one registry and route book, by the shape of their records.

    It must not refer to the book, whose own lifetime decides how long it lives (`WeakKeyDictionary`).
    """

    __slots__ = ("__weakref__", "paths", "registry", "remembered", "shapes")

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        # Raw paths differ with every record and rarely matter: they are looked at only where they do.
        self.paths = frozenset(name for name in aliases.RAW_PATHS if not scrubbing.is_copied(name, registry))
        self.shapes: dict[tuple[str, ...], AttributeShape] = {}
        self.remembered = 0

    def make_room(self) -> None:
        """Count one more shape or meaning; forget everything when there are too many."""
        self.remembered += 1
        if self.remembered > MAX_REMEMBERED:
            self.shapes.clear()
            self.remembered = 0


_caches: WeakKeyDictionary[RouteBook, MeaningCache] = WeakKeyDictionary()


def cache_of(registry: Registry, routes: RouteBook) -> MeaningCache:
    """What is remembered under this registry and route book."""
    cache = _caches.get(routes)
    if cache is None or cache.registry is not registry:
        cache = _caches[routes] = MeaningCache(registry)
    return cache


class Meanings:
    """The meanings of one request's records: remembered, or interpreted now."""

    def __init__(self, registry: Registry, routes: RouteBook) -> None:
        self._interpreter = Interpreter(registry, routes)
        self._cache = cache_of(registry, routes)

    def context(self, attributes: dict[str, Any]) -> ResourceContext:
        """What a resource says about its records."""
        context = self._interpreter.context(attributes)
        # Two resources with one key give a record the same meaning.
        return context._replace(key=repr(context.read)) if _length(context.routing) <= MAX_KEY else context

    def of(self, record: Record, context: ResourceContext) -> tuple[SentIds, Meaning]:
        """The names of a record's attributes that hold ids, and its meaning."""
        names = tuple(record.attributes)
        shape = self._cache.shapes.get(names) or self._shape(names)
        meaning = self._recall(shape, shape.pick, record, context)
        if meaning.reads_path:
            meaning = self._recall(shape, shape.pick_with_path, record, context)
        if meaning.texts and _may_tell(meaning.texts, shape, record.attributes, context):
            private = scrubbing.private(record.attributes).joined(context.private)
            if private.is_in(meaning.texts.whole):
                meaning = self._interpreter.interpret(record, context, private)
        return shape.ids, meaning

    def _recall(
        self, shape: AttributeShape, pick: Picker, record: Record, context: ResourceContext
    ) -> Meaning:
        """What a record of this shape means, looked up by the values that `pick` takes: no others matter."""
        interpret = self._interpreter.interpret
        if not context.key:
            return interpret(record, context)
        if record.is_span:
            name: tuple[Any, ...] = (
                (record.kind, record.is_inner),
                record.name if record.name in routing.SESSION_EVENTS else "",
            )
        else:
            scope = record.scope if shape.names_function else ""
            name = (record.name, routing.name_in_body(record), scope)
        values = pick(record.attributes)
        # 1, 1.0 and True are equal, but do not mean the same.
        key = (name, values, tuple(map(type, values)), context.key)
        try:
            meaning = shape.meanings.get(key)
        except TypeError:  # a list or a map among the values
            return interpret(record, context)
        if meaning is None:
            meaning = interpret(record, context)
            if _length(key) <= MAX_KEY:
                self._cache.make_room()
                shape.meanings[key] = meaning
        return meaning

    def _shape(self, names: tuple[str, ...]) -> AttributeShape:
        find = self._cache.registry.find
        shape = AttributeShape(
            names, [name for name in names if name in _READ or find(name)], self._cache.paths
        )
        if sum(map(len, names)) <= MAX_KEY:
            self._cache.make_room()
            self._cache.shapes[names] = shape
        return shape


def _may_tell(
    texts: scrubbing.Texts, shape: AttributeShape, attributes: Mapping[str, Any], context: ResourceContext
) -> bool:
    """Whether something private may be in these texts. Asked for every record, so it must be cheap."""
    if shape.names_persons or context.private.names:
        return True
    whole = texts.whole
    for name in shape.every_id:
        value = attributes[name]
        text = value if isinstance(value, str) else as_text(value)
        if text and (raw := text.strip().lower()) in whole and texts.may_have(raw):
            return True
    for raw in context.private.ids:  # noqa: SIM110
        if raw in whole and texts.may_have(raw):
            return True
    return False


def _picker(names: Sequence[str]) -> Picker:
    """A function that takes the values of these names, as a tuple."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda attributes: tuple(attributes[name] for name in names)


def _length(value: Any) -> int:
    """About how many characters and bytes there are in a value."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_length, chain(value, value.values())))
    return sum(map(_length, value)) if isinstance(value, tuple | list) else 8
