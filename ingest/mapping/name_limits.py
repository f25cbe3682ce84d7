"""The names that each key has sent: caps new ones per day, and matches raw paths against known routes.

A name that changes with every event (an unrecognized id) would fill tables and pages; beyond the cap it is
stored as `{other}`. Names are learned from admitted events only.
"""

import threading
import time
from collections.abc import Iterable
from datetime import date

from django.conf import settings
from django.db import connections, transaction

from analytics.storage.rows import Row
from consent.registry.registry import Registry
from ingest.mapping.aliases import PAGE
from ingest.mapping.page_paths import page_template
from ingest.mapping.path_templates import MAX_PATH, UNMATCHED, has_variable, raw_template, says_nothing
from ingest.models import SeenName
from postgres import locks

OTHER = "{other}"
ROUTES_ARE_FRESH = 10.0  # seconds until a process learns the routes that others have seen
KINDS = {"activity": ("event_type",), "endpoint": ("endpoint",), "feature": ("feature", "action")}
PAGES = "page"  # templates of viewed pages, in the metadata of feature usage

# One statement decides and remembers: it takes as many of the new names as the day has left.
REMEMBER = """
INSERT INTO ingest_seenname (key_id, kind, name, first_seen_on)
SELECT %(key)s, %(kind)s, sent.name, %(today)s FROM unnest(%(names)s::text[]) AS sent (name)
 WHERE NOT EXISTS (SELECT FROM ingest_seenname seen
                    WHERE (seen.key_id, seen.kind, seen.name) = (%(key)s, %(kind)s, sent.name))
 LIMIT greatest(0, %(cap)s - (SELECT count(*) FROM ingest_seenname
                               WHERE key_id = %(key)s AND kind = %(kind)s AND first_seen_on = %(today)s))
"""


class RouteBook:
    """The templates that a key's raw paths are matched against: declared ones, and routes it has sent."""

    def __init__(self, templates: Iterable[str]) -> None:
        every = set(templates)
        self._variable = sorted(template for template in every if has_variable(template))
        self._exact = every.difference(self._variable)
        self._matched: dict[str, str] = {}

    def match(self, path: str) -> str:
        """The template of a raw path, `{unmatched}` when none fits."""
        path = path[:MAX_PATH]
        template = self._matched.get(path)
        if template is None:
            template = self._matched[path] = raw_template(path, self._variable, self._exact)
            if len(self._matched) > 4096:
                self._matched.clear()
        return template

    def page(self, path: str) -> str:
        """The template of a page's raw path: a known one, else its own words without ids."""
        template = self.match(path)
        if template != UNMATCHED and not says_nothing(template):
            return template
        return page_template(path) or template


class KnownNames:
    """This process's memory of names, by key and kind. Losing it costs a query."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: dict[tuple[int, str], set[str]] = {}
        self._books: dict[tuple[int, str], tuple[float, RouteBook]] = {}

    def forget(self) -> None:
        with self._lock:
            self._names.clear()
            self._books.clear()

    def routes(self, key_id: int, registry: Registry) -> RouteBook:
        """The route book of a key, at most ten seconds old."""
        remembered = self._books.get((key_id, registry.digest))
        if remembered and time.monotonic() - remembered[0] < ROUTES_ARE_FRESH:
            return remembered[1]
        seen = SeenName.objects.filter(key_id=key_id, kind="endpoint").values_list("name", flat=True)
        book = RouteBook([*registry.endpoints, *(name for name in seen if name.startswith("/"))])
        self._books[key_id, registry.digest] = (time.monotonic(), book)
        return book

    def unknown(self, key_id: int, kind: str, names: set[str]) -> set[str]:
        """Those of `names` that this process has not seen yet."""
        return names - self._names.get((key_id, kind), set())

    def learn(self, key_id: int, kind: str, names: Iterable[str]) -> None:
        with self._lock:
            self._names.setdefault((key_id, kind), set()).update(names)
            if kind == "endpoint":
                for book in [book for book in self._books if book[0] == key_id]:
                    del self._books[book]


known_names = KnownNames()


def cap_new_names(rows: list[Row], *, key_id: int, today: date, learn: bool = True) -> list[Row]:
    """The rows, with new names beyond the day's cap replaced by `{other}`.

    Without `learn` nothing is remembered: for a dry run.
    """
    beyond = {kind: _beyond(sent, kind, key_id, today, learn) for kind, sent in _names_by_kind(rows).items()}
    if all(names is None for names in beyond.values()):
        return rows
    return [_capped(row, beyond) for row in rows]


def _names_by_kind(rows: list[Row]) -> dict[str, set[str]]:
    by_kind: dict[str, set[str]] = {kind: set() for kinds in KINDS.values() for kind in kinds}
    by_kind[PAGES] = {row.metadata[PAGE] for row in rows if PAGE in row.metadata}
    # Most rows repeat the names of others: each pair is looked at once.
    for table, names in {(row.table, row.names[:2]) for row in rows}:
        for kind, name in zip(KINDS[table], names, strict=False):
            by_kind[kind].add(name)
    return by_kind


def _beyond(sent: set[str], kind: str, key_id: int, today: date, learn: bool) -> set[str] | None:
    """The names of this kind that exceed the day's cap; None if none does."""
    new = known_names.unknown(key_id, kind, sent - {OTHER, UNMATCHED})
    if not new:
        return None
    if not learn:
        return (new - _would_remember(sorted(new), kind, key_id, today)) or None
    remembered = _remember(sorted(new), kind, key_id, today)
    known_names.learn(key_id, kind, remembered)
    return (new - remembered) or None


def _remember(names: list[str], kind: str, key_id: int, today: date) -> set[str]:
    """Remember these names up to the day's cap. Returns those that are known now."""
    with transaction.atomic(using="default"), connections["default"].cursor() as cursor:
        # Two processes must not both use the day's last place.
        cursor.execute(locks.TAKE, [locks.NEW_NAMES, key_id % 2**31])
        cursor.execute(
            REMEMBER,
            {"key": key_id, "kind": kind, "names": names, "today": today, "cap": settings.NEW_NAMES_PER_DAY},
        )
        cursor.execute(
            "SELECT name FROM ingest_seenname WHERE key_id = %s AND kind = %s AND name = ANY(%s)",
            [key_id, kind, names],
        )
        return {name for (name,) in cursor.fetchall()}


def _would_remember(names: list[str], kind: str, key_id: int, today: date) -> set[str]:
    """What `_remember` would return: known names, and as many new ones as the day has left."""
    seen = SeenName.objects.filter(key_id=key_id, kind=kind)
    known = set(seen.filter(name__in=names).values_list("name", flat=True))
    left = max(0, settings.NEW_NAMES_PER_DAY - seen.filter(first_seen_on=today).count())
    return known.union([name for name in names if name not in known][:left])


def _capped(row: Row, beyond: dict[str, set[str] | None]) -> Row:
    names = list(row.names)
    for position, kind in enumerate(KINDS[row.table]):
        if names[position] in (beyond[kind] or ()):
            names[position] = OTHER
    if row.metadata.get(PAGE) in (beyond[PAGES] or ()):
        row = row._replace(metadata={**row.metadata, PAGE: OTHER})
    return row._replace(names=tuple(names))
