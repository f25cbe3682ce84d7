"""Records into rows: what a record says (`meaning`), and who says it when (`identity`).

One `RowMaker` serves one request and remembers what its records have in common.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from analytics.storage.rows import BaseEvent, Row
from consent.gate.rules import Tier
from consent.pseudonyms import anonymous_user
from consent.registry.registry import Registry
from ingest.mapping import scrubbing
from ingest.mapping.identity import Identities, Refusal, Subjects
from ingest.mapping.interpretation import (
    PAGE_PATHS,
    Context,
    Meaning,
    Meanings,
    deployment_type,
    own_duration,
)
from ingest.mapping.name_limits import RouteBook
from ingest.otlp.records import Record, Resource
from postgres.instants import instant

__all__ = ["PAGE_PATHS", "Mapped", "RowMaker"]


class Mapped(NamedTuple):
    """What a request's records have become."""

    total: int  # records
    rows: list[Row]
    sources: list[Record]  # that the rows were made of, if they were asked for
    base_events: list[BaseEvent]
    refused: Counter[str]


class RowMaker:
    """Makes the rows of one request, of events from `kept_from` on."""

    def __init__(
        self,
        *,
        organization: str,
        do_not_track: bool,
        now: datetime,
        kept_from: datetime,
        registry: Registry,
        routes: RouteBook,
    ) -> None:
        self._organization = organization  # the key's own, '' when it is bound to none
        self._do_not_track = do_not_track
        self._registry = registry
        self._meanings = Meanings(registry, routes)
        self._identities = Identities(now, kept_from)
        self._resource: Resource | None = None
        self._context: Context

    def map(self, records: Iterable[Record], *, keep: bool = False) -> Mapped:
        """Rows, base events, and the reasons of the records that became neither; `keep` the rows' records."""
        rows: list[Row] = []
        sources: list[Record] = []
        base_events: list[BaseEvent] = []
        refused: Counter[str] = Counter()
        total = 0
        for record in records:
            total += 1
            try:
                made = self._make(record)
            except Refusal as refusal:
                refused[refusal.reason] += 1
                continue
            if isinstance(made, Row):
                rows.append(made)
                if keep:
                    sources.append(record)
            else:
                base_events.append(made)
        return Mapped(total, rows, sources, base_events, refused)

    def _make(self, record: Record) -> Row | BaseEvent:
        if record.resource is not self._resource:
            self._resource = record.resource
            self._context = self._meanings.context(record.resource.attributes)
        context, identities = self._context, self._identities
        nanoseconds = identities.nanoseconds(record)
        named, meaning = self._meanings.of(record, context)
        if meaning.unroutable:
            raise Refusal(meaning.unroutable)
        row_id = identities.row_id(record, nanoseconds)
        subjects = identities.subjects(record.attributes, named, context.attributes, context.ids)
        if meaning.base_event:
            timestamp = instant(nanoseconds // 1000)
            return self._base_event(record, meaning, row_id, timestamp, subjects)
        organization = self._organization_of(subjects) if self._organization else subjects.organization
        if meaning.refusal:
            raise Refusal(meaning.refusal)
        return _new_row(
            (
                meaning.table,
                row_id,
                nanoseconds // 1000,
                subjects.user,
                subjects.user
                or anonymous_user(
                    session=subjects.session, installation=subjects.installation, organization=organization
                ),
                organization,
                meaning.deployment_type,
                meaning.is_internal,
                _metadata(record, meaning),
                _names(record, meaning, subjects),
                self._do_not_track or meaning.do_not_track,
            )
        )

    def _base_event(
        self, record: Record, meaning: Meaning, row_id: bytes, timestamp: datetime, subjects: Subjects
    ) -> BaseEvent:
        if not subjects.installation:
            raise Refusal("no_installation")
        private = scrubbing.private(record.attributes).joined(self._context.private)
        facts = self._facts((record.attributes, self._context.attributes), private)
        do_not_track = self._do_not_track or meaning.do_not_track
        return BaseEvent(row_id, meaning.base_event, timestamp, subjects.installation, facts, do_not_track)

    def _organization_of(self, subjects: Subjects) -> str:
        """The key's own organization; a record that names another one is refused."""
        if subjects.organization not in ("", self._organization):
            raise Refusal("other_organization")
        return self._organization

    def _facts(self, sources: tuple[Mapping[str, Any], ...], private: scrubbing.Private) -> dict[str, str]:
        """The declared facts of an installation; whatever else was sent is left behind."""
        names = [attribute.name for attribute in self._registry.of_tier(Tier.BASE)]
        kept = scrubbing.facts(sources, self._registry, private, names)
        claimed = next(filter(None, map(deployment_type, sources)), "")
        return {**kept, "deployment_type": claimed} if claimed else kept


_new_row = partial(tuple.__new__, Row)  # what `Row(…)` wraps, a third cheaper


def _names(record: Record, meaning: Meaning, subjects: Subjects) -> tuple[Any, ...]:
    if meaning.duration_in == "names":
        return (*meaning.names, own_duration(record))
    return (*meaning.names, subjects.session) if meaning.table == "activity" else meaning.names


def _metadata(record: Record, meaning: Meaning) -> dict[str, Any]:
    if meaning.duration_in == "metadata" and (milliseconds := own_duration(record)) is not None:
        return {**meaning.metadata, "duration_ms": milliseconds}
    return meaning.metadata
