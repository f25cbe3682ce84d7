"""Reading roll-ups: the questions that reports ask, answered within one snapshot of the database.

Sets of people hold no anonymous events, and nobody from the moment of their withdrawal. Uses, requests and
durations count events, and lose those of a person when the person is erased. Sealed days have no people and
no organizations, only the counts that `sealed` gives.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper
from numpy.typing import NDArray

from analytics.report_days import days_between
from analytics.rollups.layout import DEPLOYMENT_TYPES
from analytics.rollups.numbers import NOTHING, Numbers
from analytics.rollups.reading.cache import cache
from analytics.rollups.reading.counted import Name
from analytics.rollups.reading.decoding import (
    decode_counted,
    decode_members,
    decode_sessions,
    size_of,
)
from analytics.rollups.reading.directory import NameNumbers
from analytics.rollups.reading.durations import DayDurations, Durations, divided_by_day
from analytics.rollups.reading.firsts import Firsts, first_days
from analytics.rollups.reading.kept_presence import NUMBER_BYTES, KeptPresence
from analytics.rollups.reading.people import KeptSpans, People
from analytics.rollups.reading.presence import Presence, Words, words_of
from analytics.rollups.reading.published import (
    Levels,
    organizations_of_enough,
)
from analytics.rollups.reading.published_reader import PublishedReader
from analytics.rollups.reading.requests import Requests
from analytics.rollups.reading.sealed_days import SealedDay, sealed_days
from analytics.rollups.reading.segments import Segment, Withdrawn
from analytics.rollups.reading.sessions import SessionFigures
from analytics.rollups.reading.slices import Dimensions, Unpacked
from analytics.rollups.reading.uses import Uses
from consent.decisions.account_reports import organizations_with_account_reports
from consent.decisions.withdrawn import withdrawn
from consent.models import SubjectKind
from postgres.errors import cancelled_as

__all__ = ["Reader", "ReportTimedOut", "SealedDay", "Segment", "reading"]

TIMEOUT_SECONDS = 30
MEMORY = ("with_memory", "memory_mb")  # of timings: how many told it, and what it adds up to
DURATIONS_OF = {"requests": "latency", "timings": "durations"}


class ReportTimedOut(Exception):
    """The report took longer than it may; a shorter range or a filter helps."""

    def __init__(self) -> None:
        super().__init__(
            f"the report took longer than {TIMEOUT_SECONDS} seconds; choose a shorter range or a filter"
        )


_current: ContextVar["Reader | None"] = ContextVar("reader", default=None)


@contextmanager
def reading() -> Iterator["Reader"]:
    """A reader; within another `reading`, that one's. Raises `ReportTimedOut`."""
    if (outer := _current.get()) is not None:
        yield outer
        return
    withdrawn = _withdrawn()
    within = connections["analytics"].in_atomic_block
    with cancelled_as(ReportTimedOut):
        with transaction.atomic(using="analytics"), connections["analytics"].cursor() as cursor:
            if not within:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute(f"SET LOCAL statement_timeout = '{TIMEOUT_SECONDS}s'")
            reader = Reader(cursor, withdrawn)
            token = _current.set(reader)
            try:
                yield reader
            finally:
                _current.reset(token)
            if within:
                cursor.execute("SET LOCAL statement_timeout = 0")


def _withdrawn() -> Withdrawn:
    return Withdrawn(
        ",".join(withdrawn(SubjectKind.USER)),
        frozenset(withdrawn(SubjectKind.ORGANIZATION)),
        organizations_with_account_reports(),
    )


class Reader(PublishedReader):
    """Answers from one snapshot of the data. People have the same numbers in all of its answers."""

    def __init__(self, cursor: CursorWrapper, withdrawn: Withdrawn) -> None:
        super().__init__(cursor, withdrawn)
        self._matrices: dict[Hashable, tuple[Words, Numbers, Numbers]] = {}

    # --- who was there --------------------------------------------------------------------------

    def presence(self, segment: Segment, first: date, last: date, *, activity: str = "any") -> Presence:
        """Who was active (who signed in, with `activity` “login”)."""
        first = self.begin(min(first, last), last)
        kind = "login" if activity == "login" else "active"
        bits, rows, others = self._matrix(kind, segment.dimensions, first, last)
        crowd = self._crowds.of(segment)
        is_first = crowd.counts & ~self.members.is_other
        present = bits & words_of(is_first)
        counted = crowd.counts[others]
        rows, persons = rows[counted], self.members.person[others[counted]]
        np.bitwise_or.at(present, (rows, persons >> 6), np.uint64(1) << (persons & 63).astype(np.uint64))
        return Presence(first, present)

    def organizations_of_enough(self, segment: Segment, first: date, last: date) -> frozenset[str]:
        """The organizations that have enough active people on these days, so that the rest has, too."""
        first = self.begin(min(first, last), last)
        everywhere = replace(segment, organization="")
        names = self.kept(
            ("organizations of enough", everywhere),
            first,
            last,
            lambda: self._organizations_of_enough(everywhere, first, last),
        )
        return frozenset(names.tolist())

    def _organizations_of_enough(self, segment: Segment, first: date, last: date) -> NDArray[Any]:
        bits, _, _ = self._matrix("active", segment.dimensions, first, last)
        present = np.unpackbits(np.bitwise_or.reduce(bits, axis=0).view(np.uint8), bitorder="little")
        counts = self._crowds.of(segment).counts
        member = np.flatnonzero(present[: len(counts)].astype(np.bool_) & counts)
        names, organization = np.unique(self.groups.organization.astype(str), return_inverse=True)
        everybody = self._crowds.everybody
        shown: NDArray[Any] = names[
            organizations_of_enough(organization[everybody.group[member]], member, everybody)
        ]
        return shown

    def presences(
        self, segment: Segment, first: date, last: date, *, activity: str = "any"
    ) -> dict[str, Presence]:
        """The same for '' (any) and each deployment type; the segment's own does not matter."""
        return {
            name: self.presence(replace(segment, deployment=name), first, last, activity=activity)
            for name in ("", *DEPLOYMENT_TYPES)
        }

    def seen(
        self, segment: Segment, first: date, last: date, *, activity: str = "any"
    ) -> dict[str, KeptPresence]:
        """Counts of the same, which are remembered between reports."""

        def of(one: Segment) -> KeptPresence:
            return KeptPresence(
                self, one, first, last, activity, lambda: self.presence(one, first, last, activity=activity)
            )

        return {name: of(replace(segment, deployment=name)) for name in ("", *DEPLOYMENT_TYPES)}

    def _matrix(
        self, kind: str, asked: Dimensions, first: date, last: date
    ) -> tuple[Words, Numbers, Numbers]:
        """A bit per day and member; then days and numbers of members that are not their person's first."""
        what = kind, asked, first, last
        if what not in self._matrices:
            sets = self._contents(kind, asked, first, last, decode_members)
            days = days_between(first, last)
            bits = np.zeros((len(days), self.members.words), dtype=np.uint64)
            rows, others = [NOTHING], [NOTHING]
            for row, day in enumerate(days):
                if (present := sets.get(day)) is None:
                    continue
                width = min(len(present.words), bits.shape[1])
                bits[row, :width] = present.words[:width]
                own_others = present.sets.members[self.members.is_other[present.sets.members]]
                rows.append(np.full(len(own_others), row))
                others.append(own_others)
            self._matrices[what] = bits, np.concatenate(rows), np.concatenate(others)
        return self._matrices[what]

    def firsts(self, segment: Segment, *, activity: str = "any") -> Firsts:
        """The people who were new in the segment, and their first days."""
        anywhere = self._crowds.of(Segment(include_internal=segment.include_internal))
        crowd = self._crowds.of(segment)
        return first_days(self.members, anywhere, crowd, is_login=activity == "login")

    # --- who did what ---------------------------------------------------------------------------

    def people(self, kind: str, segment: Segment, first: date, last: date) -> People[Any]:
        """People by the whole name: feature and action (`kind` “feature”), or endpoint and method."""
        return self._people(kind, segment, first, last)

    def _people(
        self,
        kind: str,
        segment: Segment,
        first: date,
        last: date,
        *,
        by_first: bool = False,
        of: Hashable = None,
        chosen: Callable[[Any], bool] | None = None,
    ) -> People[Any]:
        """`by_first`: by the first part of the names alone. Only of `chosen` names, if given: those `of`."""
        arranged_days, rows = self._arranged(kind, segment.dimensions, first, last, by_first=by_first)
        width, crowd = self.members.width, self._crowds.of(segment)

        def keep(what: Hashable, make: Callable[[], KeptSpans]) -> KeptSpans:
            kept: KeptSpans = self.kept(("people", kind, segment, by_first, of, what), first, last, make)
            return kept

        days = days_between(first, last)
        return People(days, arranged_days, rows, crowd, width, chosen=chosen, keep=keep)

    def feature_people(
        self, segment: Segment, first: date, last: date, *, feature: str | None = None
    ) -> People[str]:
        """Who used each feature, or one."""
        chosen = None if feature is None else lambda name: name == feature
        return self._people("feature", segment, first, last, by_first=True, of=feature, chosen=chosen)

    def action_people(self, segment: Segment, first: date, last: date, feature: str) -> People[str]:
        """Who did each action of a feature."""
        people = self._people(
            "feature", segment, first, last, of=feature, chosen=lambda name: name[0] == feature
        )
        people.keys = [action for _, action in people.keys]
        return people

    def endpoint_people(
        self, segment: Segment, first: date, last: date, *, kind: str = "endpoint", name: Name | None = None
    ) -> People[Name]:
        """Who called each endpoint and method, or one."""
        chosen = None if name is None else lambda one: one == name
        return self._people(kind, segment, first, last, of=name, chosen=chosen)

    def page_people(self, segment: Segment, first: date, last: date) -> People[str]:
        """Who viewed each page, by its template; `events` are their views."""
        return self._people("page", segment, first, last, by_first=True)

    # --- how often, how long --------------------------------------------------------------------

    def uses(
        self,
        segment: Segment,
        first: date,
        last: date,
        *,
        kind: str = "uses",
        feature: str | None = None,
        published: bool = False,
        by_action: bool = False,
    ) -> Uses:
        """Uses of each feature and action, or of one feature's; of each error by type and place, if of `kind`
        “errors”.

        With `published`, only what belongs to enough people (`published.py`): of the features, or
        `by_action`.
        """
        rows = cache().rows[kind]
        counted, inside = self._counted(
            kind, segment, first, last, rows, published=published, by_part=by_action
        )
        levels = self._levels(kind, segment, first, last, rows, by_part=by_action) if published else None
        return Uses.of(days_between(first, last), counted, inside, rows, feature, levels)

    def requests(
        self,
        segment: Segment,
        first: date,
        last: date,
        *,
        kind: str = "requests",
        name: Name | None = None,
        published: bool = False,
    ) -> Requests:
        """Requests of each endpoint and method, or of one; what was timed, if of `kind` “timings”.

        With `published`, only those of enough people.
        """
        rows = cache().rows[kind]
        requests, inside = self._counted(kind, segment, first, last, rows, published=published)
        levels = self._levels(kind, segment, first, last, rows) if published else None
        durations = self._durations(DURATIONS_OF[kind], segment, first, last, rows, levels)
        days, more = days_between(first, last), MEMORY if kind == "timings" else ()
        return Requests(days, requests, inside, durations, rows, name, levels, more)

    def _durations(
        self, kind: str, segment: Segment, first: date, last: date, rows: NameNumbers, levels: Levels | None
    ) -> Durations:
        published = levels is not None
        form = f" of {segment}{', published' if published else ''}"
        if segment.organization or (segment.dimensions and published):

            def divide(days: list[date]) -> dict[date, DayDurations]:
                span = min(days), max(days)
                counted, inside = self._counted(kind, segment, *span, rows, published=published)
                return {
                    day: divided_by_day(day, counted[day], inside, levels) for day in days if day in counted
                }

            divided = cache().contents(self._versions_of_people(first, last), kind + form, divide, size_of)
        else:
            cells = segment.cells()

            def decode(day: date, content: Unpacked) -> DayDurations:
                return divided_by_day(day, decode_counted(content, rows), cells, levels)

            divided = self._contents_of_days(
                kind, segment.dimensions, first, last, decode, form, of_people=True
            )
        return Durations(
            {day: durations.histograms for day, durations in divided.items()},
            {day: durations.rest for day, durations in divided.items() if durations.rest is not None},
        )

    def sessions(self, segment: Segment, first: date, last: date) -> SessionFigures:
        """Sessions and sign-ins. Of a session, only the part within the days counts."""
        figures: SessionFigures = self.kept(
            ("sessions", segment),
            first,
            last,
            lambda: self._sessions(segment, first, last),
            lambda counted: NUMBER_BYTES * len(counted),
        )
        return figures

    def _sessions(self, segment: Segment, first: date, last: date) -> SessionFigures:
        logins = self._contents("login", segment.dimensions, first, last, decode_members)
        parts = self._contents("session", segment.dimensions, first, last, decode_sessions)
        return SessionFigures.of(
            self._crowds.of(segment), (signed_in.sets for signed_in in logins.values()), parts.values()
        )

    # --- sealed days ----------------------------------------------------------------------------

    def sealed(self, first: date, last: date) -> list[SealedDay]:
        """The counts of people that were taken when these days were sealed."""
        return sealed_days(first, last)
