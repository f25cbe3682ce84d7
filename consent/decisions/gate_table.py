"""Is the gate's table what the decision log says? Every row that differs is named.

Also compared: tombstones with the erasures that were asked for, and the last material change that the gate
reads with the policy versions. The log holds neither, so somebody who changes both sides is not found.

Log and table are read side by side, sorted by subject, in one snapshot. Memory holds a few thousand rows,
however long the log is.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, NamedTuple

from django.db import connections

from consent.decisions.derivation import Derivation, Sealed, Stretch
from consent.models import Organization, State, TelemetryUser
from consent.pseudonyms import demo_id, pseudonyms

TABLE = "consent_consentperiod"
NAMED = 1000  # differences that are named; more are counted
AT_ONCE = 2000  # rows
AHEAD = 500  # how far to look in a subject's rows for where log and table agree again
# Names of demo subjects, which are nobody's decisions. Those of removed demo data may still be in the log.
DEMO_NAMES_AT_LEAST, DEMO_NAMES_AT_MOST = 10_000, 1_000_000

# COLLATE: the order in which Python compares.
LOG = """
WITH record AS (
    SELECT subject COLLATE "C" AS subject, subject_kind COLLATE "C" AS kind, number, state, effective_at,
           recorded_at
      FROM consent_decision {only}
), following AS (
    SELECT *, lag(state) OVER (PARTITION BY subject, kind ORDER BY number) AS before FROM record
)
SELECT subject, kind, number, state, effective_at, recorded_at,
       coalesce(max(number) FILTER (WHERE state = 'denied') OVER one, 0),
       coalesce(max(number) FILTER (WHERE state = 'unset' AND before = 'granted') OVER one, 0)
  FROM following WINDOW one AS (PARTITION BY subject, kind) ORDER BY subject, kind, number
"""
ROWS = f"""
SELECT subject COLLATE "C" AS subject, subject_kind COLLATE "C" AS kind,
       id, state, since, until, is_superseded
  FROM {TABLE} {{only}} ORDER BY 1, 2, since, until NULLS LAST, id
"""
ONE_SUBJECT = "WHERE subject = %s AND subject_kind = %s"
BEGAN = f"SELECT FROM {TABLE} WHERE subject = %s AND subject_kind = %s AND state = %s AND since = %s"
MATERIAL_CHANGES = "SELECT published_at FROM consent_policyversion WHERE is_material ORDER BY published_at"
IN_FORCE = "SELECT material_since FROM consent_inforce"
TOMBSTONES = """
SELECT stone.id, coalesce(asked.kind, stone.kind), coalesce(asked.pseudonym, stone.subject),
       stone.until, asked.until
  FROM (SELECT kind, pseudonym, max(until) AS until FROM consent_erasurerequest GROUP BY 1, 2) AS asked
  FULL JOIN (SELECT * FROM consent_tombstone WHERE kind IN ('user', 'organization') AND "user" = '') AS stone
    ON stone.subject = asked.pseudonym AND stone.kind = asked.kind
 WHERE stone.until IS DISTINCT FROM asked.until
 ORDER BY 3, 2
"""

Subject = tuple[str, str]  # pseudonym and kind


class HeldRow(NamedTuple):
    """A row of the gate's table."""

    id: int
    stretch: Stretch


class TableDifference(NamedTuple):
    """What differs, where, and whose it is (`user 0a1b…`, or '')."""

    place: str
    subject: str
    problem: str

    def __str__(self) -> str:
        return f"{self.place}{f' ({self.subject})' if self.subject else ''}: {self.problem}"


class TableDifferences:
    """The first `NAMED` differences, and how many there are."""

    def __init__(self) -> None:
        self.named: list[TableDifference] = []
        self.count = 0

    def add(self, found: Iterable[TableDifference]) -> None:
        for difference in found:
            self.count += 1
            if len(self.named) < NAMED:
                self.named.append(difference)

    def take(self, others: "TableDifferences") -> None:
        self.named += others.named[: NAMED - len(self.named)]
        self.count += others.count


def compare(advance: Callable[[int], object] = lambda records: None) -> tuple[int, TableDifferences]:
    """How many rows the gate's table has, and all differences. Call in a transaction with one snapshot.

    `advance` is told how many records of the log have been read.
    """
    comparison = _Comparison(advance)
    comparison.run()
    return comparison.rows, comparison.differences


class _Comparison:
    def __init__(self, advance: Callable[[int], object]) -> None:
        self.rows, self.differences = 0, TableDifferences()
        self._advance, self._records = advance, 0
        self._material_changes = [at for (at,) in _all(MATERIAL_CHANGES)]
        self._last_change = max((at for (at,) in _all(IN_FORCE) if at), default=None)
        self._demo = _demo_names()

    def run(self) -> None:
        self.differences.add(self._of_the_policy())
        self.differences.add(_of_tombstones())
        log, table = self._counted_records(_stream(LOG)), self._counted_rows(_stream(ROWS))
        for subject, records, rows in _side_by_side(log, table):
            if subject not in self._demo:
                self._compare(subject, records, rows)

    def _compare(self, subject: Subject, records: Iterator[Any], rows: Iterator[Any]) -> None:
        derivation = Derivation(self._material_changes)
        found = self._found(subject, records, rows, derivation)
        if found.count and derivation.had_choice:
            as_held = Derivation(self._material_changes, partial(_knew, subject))
            if not self._found(subject, _stream(LOG, subject), _stream(ROWS, subject), as_held).count:
                return
        self.differences.take(found)

    def _found(
        self, subject: Subject, records: Iterator[Any], rows: Iterator[Any], derivation: Derivation
    ) -> TableDifferences:
        found = TableDifferences()
        expected = derivation.stretches(Sealed(*record[2:]) for record in records)
        found.add(_differing(subject, expected, self._up_to_date(rows)))
        return found

    def _up_to_date(self, rows: Iterator[Any]) -> Iterator[HeldRow]:
        """The rows as the gate reads them: a material change may not have been written into a grant yet."""
        for number, *values in (row[2:] for row in rows):
            stretch, change = Stretch(*values), self._last_change
            is_open_grant = stretch.state == State.GRANTED and stretch.until is None
            if change and is_open_grant and stretch.since < change:
                yield HeldRow(number, stretch._replace(until=change))
                stretch = Stretch(State.STALE, change, None, stretch.is_superseded)
            yield HeldRow(number, stretch)

    def _of_the_policy(self) -> Iterator[TableDifference]:
        published = self._material_changes[-1] if self._material_changes else None
        if published != self._last_change:
            yield TableDifference(
                "the row of consent_inforce",
                "",
                f"the last material change is {_moment(self._last_change)}; the policy versions say "
                f"{_moment(published)}",
            )

    def _counted_records(self, records: Iterator[Any]) -> Iterator[Any]:
        for record in records:
            self._records += 1
            if self._records % AT_ONCE == 0:
                self._advance(self._records)
            yield record

    def _counted_rows(self, rows: Iterator[Any]) -> Iterator[Any]:
        for row in rows:
            self.rows += 1
            yield row


# --- Reading --------------------------------------------------------------------------------------------
def _all(query: str) -> list[tuple[Any, ...]]:
    with connections["default"].cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def _stream(query: str, subject: Subject | None = None) -> Iterator[tuple[Any, ...]]:
    """The rows of a query, a few at a time, through a cursor of the server."""
    with connections["default"].chunked_cursor() as cursor:
        cursor.execute(query.format(only=ONE_SUBJECT if subject else ""), subject)
        while rows := cursor.fetchmany(AT_ONCE):
            yield from rows


def _knew(subject: Subject, record: Sealed, change: datetime) -> bool:
    """Whether the table says that a decision made together with a publication knew of it.

    Then a new grant begins a row; and whatever else was decided ends a stale one.
    """
    wanted = (State.GRANTED, record.since) if record.state == State.GRANTED else (State.STALE, change)
    with connections["default"].cursor() as cursor:
        cursor.execute(BEGAN, [*subject, *wanted])
        return cursor.fetchone() is not None


def _side_by_side(
    log: Iterator[Any], table: Iterator[Any]
) -> Iterator[tuple[Subject, Iterator[Any], Iterator[Any]]]:
    """Each subject of log or table, with its records and its rows. Both are sorted by subject."""
    logs, tables = groupby(log, itemgetter(0, 1)), groupby(table, itemgetter(0, 1))
    in_log, in_table = next(logs, None), next(tables, None)
    while in_log or in_table:
        subject = min(group[0] for group in (in_log, in_table) if group)
        records = in_log[1] if in_log and in_log[0] == subject else iter(())
        rows = in_table[1] if in_table and in_table[0] == subject else iter(())
        yield subject, records, rows
        if in_log and in_log[0] == subject:
            in_log = next(logs, None)
        if in_table and in_table[0] == subject:
            in_table = next(tables, None)


def _demo_names() -> frozenset[Subject]:
    """Demo subjects have periods but no decisions. The flag proves nothing: the name must be a demo's."""
    names: list[Subject] = []
    for kind, model in (("user", TelemetryUser), ("organization", Organization)):
        flagged = model._default_manager.filter(is_demo=True).count()
        name = pseudonyms(kind)
        many = min(max(flagged, DEMO_NAMES_AT_LEAST), DEMO_NAMES_AT_MOST)
        names += [(name(demo_id(kind, number)), kind) for number in range(many)]
    return frozenset(names)


# --- Comparing ------------------------------------------------------------------------------------------
def _differing(
    subject: Subject, expected: Iterator[Stretch], rows: Iterator[HeldRow]
) -> Iterator[TableDifference]:
    """What differs between two lists in the same order. Looks `AHEAD` for where they agree again."""
    whose, named = f"{subject[1]} {subject[0]}", 0
    wanted, held = deque(islice(expected, AHEAD)), deque(islice(rows, AHEAD))
    while wanted or held:
        row = held[0] if held else None
        if row and wanted and wanted[0] == row.stretch:
            wanted.popleft()
            held.popleft()
        elif row is None or (wanted and _comes_later(row.stretch, wanted)):
            yield TableDifference("no row", whose, f"the log says {_words(wanted.popleft())}")
        else:
            held.popleft()
            is_extra = not wanted or _comes_later(wanted[0], [row.stretch for row in held], first=0)
            said = "no decision explains it" if is_extra else f"the log says {_words(wanted.popleft())}"
            if row.id != named:  # a row that the gate reads as two is named once
                yield TableDifference(f"row {row.id}", whose, f"{_words(row.stretch)}; {said}")
            named = row.id
        wanted.extend(islice(expected, AHEAD - len(wanted)))
        held.extend(islice(rows, AHEAD - len(held)))


def _comes_later(stretch: Stretch, others: Iterable[Stretch], *, first: int = 1) -> bool:
    """Whether the same stretch is among the others, from the `first` one on."""
    return stretch in islice(others, first, None)


def _of_tombstones() -> Iterator[TableDifference]:
    with connections["default"].chunked_cursor() as cursor:
        cursor.execute(TOMBSTONES)
        while rows := cursor.fetchmany(AT_ONCE):
            for number, kind, subject, until, asked in rows:
                place = f"tombstone {number}" if number else "no tombstone"
                held = f"refuses events up to {_moment(until)}; " if number else ""
                wanted = (
                    f"an erasure was asked for up to {_moment(asked)}"
                    if asked
                    else "no erasure was asked for"
                )
                yield TableDifference(place, f"{kind} {subject}", held + wanted)


def _words(stretch: Stretch) -> str:
    end = f"until {_moment(stretch.until)}" if stretch.until else "and still"
    passed_over = ", passed over for a later refusal" if stretch.is_superseded else ""
    return f"{stretch.state} from {_moment(stretch.since)} {end}{passed_over}"


def _moment(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%F %T.%f} UTC" if at else "never"
