"""Makes a row of a record: what it says (`interpretation_cache`), and who says it when (`identity`).

One `RowMaker` serves one request and remembers what its records have in common.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from analytics.storage.rows import BaseEvent, Row
from consent.gate.rules import Tier
from consent.pseudonyms import anonymous_user
from consent.registry.registry import Registry
from ingest.mapping import scrubbing
from ingest.mapping.identity import Identities, RecordRefused, ResourceSubjects, Subjects
from ingest.mapping.interpretation import Meaning, ResourceContext
from ingest.mapping.interpretation_cache import Meanings
from ingest.mapping.name_limits import RouteBook
from ingest.mapping.readings import deployment_type, own_duration
from ingest.otlp.records import Record, Resource
from postgres.instants import instant


class Mapped(NamedTuple):
    """What became of a request's records."""

    total: int  # records
    rows: list[Row]
    sources: list[Record]  # the records that `rows` were made of, if asked for
    base_events: list[BaseEvent]
    refused: Counter[str]


class RowMaker:
    """Makes the rows of one request. Refuses events from before `kept_from`."""

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
        self._context: ResourceContext
        self._of_resource: ResourceSubjects

    def map(self, records: Iterable[Record], *, keep_sources: bool = False) -> Mapped:
        """Rows, base events, and the reasons of the records that became neither."""
        rows: list[Row] = []
        sources: list[Record] = []
        base_events: list[BaseEvent] = []
        refused: Counter[str] = Counter()
        total = 0
        for record in records:
            total += 1
            try:
                prepared = self.prepare(record)
            except RecordRefused as refusal:
                refused[refusal.reason] += 1
                continue
            if isinstance(prepared, Row):
                rows.append(prepared)
                if keep_sources:
                    sources.append(record)
            else:
                base_events.append(prepared)
        return Mapped(total, rows, sources, base_events, refused)

    def prepare(self, record: Record) -> Row | BaseEvent:
        """What a record would be stored as. Raises `RecordRefused`."""
        if record.resource is not self._resource:
            self._enter(record.resource)
        identities = self._identities
        nanoseconds = identities.nanoseconds(record)
        ids, meaning = self._meanings.of(record, self._context)
        if meaning.unroutable:
            raise RecordRefused(meaning.unroutable)
        row_id = identities.row_id(record, nanoseconds)
        subjects = identities.subjects(record.attributes, ids, self._of_resource)
        if meaning.base_event:
            return self._base_event(record, meaning, row_id, instant(nanoseconds // 1000), subjects)
        organization = self._organization_of(subjects) if self._organization else subjects.organization
        if meaning.refusal:
            raise RecordRefused(meaning.refusal)
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
                subjects.session,
                subjects.installation,
            )
        )

    def _enter(self, resource: Resource) -> None:
        """Read the resource that the next records share."""
        self._resource = resource
        self._context = self._meanings.context(resource.attributes)
        self._of_resource = self._identities.of_resource(resource.attributes, self._context.ids)

    def _base_event(
        self, record: Record, meaning: Meaning, row_id: bytes, timestamp: datetime, subjects: Subjects
    ) -> BaseEvent:
        if not subjects.installation:
            raise RecordRefused("no_installation")
        do_not_track = self._do_not_track or meaning.do_not_track
        return BaseEvent(
            row_id, meaning.base_event, timestamp, subjects.installation, self._facts(record), do_not_track
        )

    def _organization_of(self, subjects: Subjects) -> str:
        """The key's own organization; a record that names another one is refused."""
        if subjects.organization not in ("", self._organization):
            raise RecordRefused("other_organization")
        return self._organization

    def _facts(self, record: Record) -> dict[str, str]:
        """The declared facts of an installation; nothing else that was sent is kept."""
        sources = (record.attributes, self._context.attributes)
        private = scrubbing.private(record.attributes).joined(self._context.private)
        names = [attribute.name for attribute in self._registry.of_tier(Tier.BASE)]
        facts = scrubbing.facts(sources, self._registry, private, names)
        claimed = next(filter(None, map(deployment_type, sources)), "")
        return {**facts, "deployment_type": claimed} if claimed else facts


_new_row = partial(tuple.__new__, Row)  # what `Row(…)` wraps, a third cheaper


def _names(record: Record, meaning: Meaning, subjects: Subjects) -> tuple[Any, ...]:
    if meaning.duration_in == "names":
        return (*meaning.names, own_duration(record))
    return (*meaning.names, subjects.session) if meaning.table == "activity" else meaning.names


def _metadata(record: Record, meaning: Meaning) -> dict[str, Any]:
    if meaning.duration_in == "metadata" and (milliseconds := own_duration(record)) is not None:
        return {**meaning.metadata, "duration_ms": milliseconds}
    return meaning.metadata
