"""Sessions: how long they last, how often people sign in, which pages they see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import NamedTuple

from analytics.reports.cells import Compared, Count, exact, ratio
from analytics.reports.filters import ReportFilters
from analytics.reports.together import AskedTogether, PeopleTogether, beside_of_active, spans_of, stands_alone
from analytics.rollups.numbers import Flags
from analytics.rollups.reading import reader as rollups
from analytics.rollups.reading.reaches import Reaches
from analytics.rollups.reading.reader import Reader, Segment

MOST_PAGES = 10


class PageRow(NamedTuple):
    path: str  # a template: never a raw path
    users: Count
    views: Count


@dataclass(frozen=True, kw_only=True)
class SessionsReport:
    """Headlines cover complete days; `pages` the whole range, most viewed first, ten at most."""

    filters: ReportFilters
    users: Compared  # distinct users with a session
    signed_in: Compared  # distinct users who signed in
    sessions: Compared
    median_seconds: Compared  # last minus first event of a session
    sign_ins_per_user: Compared  # sign-ins / users who signed in
    pages: list[PageRow]
    together: PeopleTogether | None = field(default=None, repr=False, compare=False)  # for suppression


class SessionCounts(NamedTuple):
    """Of one period: people with a session, sessions, their median; sign-ins, people who signed in."""

    users: int = 0
    sessions: int = 0
    median_seconds: float | None = None
    sign_ins: int = 0
    signed_in: int = 0


def sessions_report(filters: ReportFilters) -> SessionsReport | None:
    """The exact report of the days that are not sealed; None when all are."""
    if filters.is_sealed(filters.last):
        return None
    filters = filters.unsealed
    segment = Segment.of(filters)
    with rollups.reading() as reader:

        def counts(span: ReportFilters) -> SessionCounts:
            if not span.length:
                return SessionCounts()
            return SessionCounts(*reader.sessions(segment, span.first, span.last))

        people = reader.page_people(segment, filters.first, filters.last)
        columns = (people.distinct(filters.first, filters.last), people.events(filters.first, filters.last))
        rows = map(PageRow, people.keys, *(column.tolist() for column in columns))
        pages = [row for row in rows if row.views]
        before = counts(filters.previous_complete) if filters.compare else None
        report = sessions_of(filters, counts(filters.complete), before, pages)
        return replace(report, together=_together(reader, filters, people.keys))


def _together(reader: Reader, filters: ReportFilters, pages: Sequence[str]) -> PeopleTogether | None:
    """Who had a session, signed in, or viewed a page, under all filters that are marked together."""
    asked = AskedTogether.of(filters)
    if stands_alone(reader, asked):
        return None
    spans, segment = spans_of(filters), Segment.of(filters)
    first, last = min(first for first, _ in spans.values()), filters.last
    marked = segment if segment.dimensions else None  # only that one, beside other values
    what = "sessions together", asked, marked, tuple(pages), tuple(spans.items())
    together: PeopleTogether = reader.kept(
        what, first, last, lambda: _counted_together(reader, asked, spans, pages, segment)
    )
    return together


def _counted_together(
    reader: Reader,
    asked: AskedTogether,
    spans: Mapping[str, tuple[date, date]],
    pages: Sequence[str],
    segment: Segment,
) -> PeopleTogether:
    whole = spans["range"]
    compared = {name: span for name, span in spans.items() if name != "range"}
    active: dict[str, Reaches] = {}
    if compared:
        sessions = reader.session_reaches(asked.segments, *compared.values())
        sign_ins = reader.active_reaches(asked.segments, *compared.values(), activity="login")
        active |= {f"session {name}": reaches for name, reaches in zip(compared, sessions, strict=True)}
        active |= {f"login {name}": reaches for name, reaches in zip(compared, sign_ins, strict=True)}
    beside: dict[str, Flags] = {}
    for kind in ("session", "login") if segment.dimensions and compared else ():
        named = beside_of_active(reader, [segment], compared, kind)[segment]
        beside |= {f"{kind} {name}": flags for name, flags in named.items()}
    if not pages:
        return PeopleTogether(asked, active=active, beside={segment: beside})
    if segment.dimensions:
        beside["range"] = reader.hidden_in_spans("page", segment, [whole], pages)[whole, False]
    rows = reader.row_reaches("page", asked.segments, *whole, pages)
    (seen,) = rows.spans([whole])
    return PeopleTogether(asked, active=active, names=pages, spans={"range": seen}, beside={segment: beside})


def sessions_of(
    filters: ReportFilters, now: SessionCounts, before: SessionCounts | None, pages: list[PageRow]
) -> SessionsReport:
    """The report, from what was counted."""
    return SessionsReport(
        filters=filters,
        users=Compared(now.users, before.users if before else None),
        signed_in=Compared(now.signed_in, before.signed_in if before else None),
        sessions=Compared(now.sessions, before.sessions if before else None),
        median_seconds=Compared(now.median_seconds, before.median_seconds if before else None),
        sign_ins_per_user=Compared(
            ratio(now.sign_ins, now.signed_in), ratio(before.sign_ins, before.signed_in) if before else None
        ),
        pages=sorted(pages, key=lambda page: (-exact(page.views), page.path))[:MOST_PAGES],
    )
