"""Links from sessions and installations to their people, for events that name no user.

Whoever stores an event with a user and a session (or an installation) notes the link in the same transaction.
Whoever stores one without a user holds the session's lock, then reads whose it is, and asks for that person's
consent (`store.py`). An erased person's links are gone; the tombstones of their sessions say whose they were.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any

import psycopg
from django.db import connections

from analytics.partitions import Month
from analytics.storage.rows import Row
from consent.gate.permissions import Permissions
from consent.pseudonyms import anonymous_user
from postgres import pipeline
from postgres.binary import encode_array, text_array
from postgres.instants import instant, microseconds
from postgres.pipeline import Statement

DAY = 24 * 60 * 60 * 1_000_000  # microseconds
MOST_PEOPLE = 100  # of one session or installation; with more of them, nothing that names nobody is stored
MOST_REMEMBERED = 50_000  # links that this process knows to be stored
WHO: Callable[[Row], "_Who"] = itemgetter(*map(Row._fields.index, ("user", "session", "installation")))

NOTE = Statement(
    """
INSERT INTO analytics_seen_with AS known (name, user_id, month, recorded_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::int4[], $4::timestamptz[])
    ON CONFLICT (name, user_id) DO UPDATE
   SET month = greatest(known.month, excluded.month),
       recorded_at = greatest(known.recorded_at, excluded.recorded_at)
""",
    "text[]",
    "text[]",
    "int4[]",
    "timestamptz[]",
)
PEOPLE = Statement(
    f"""
SELECT asked.name, seen.user_id
  FROM unnest($1::text[]) AS asked (name),
       LATERAL (SELECT user_id FROM analytics_seen_with
                 WHERE name = asked.name LIMIT {MOST_PEOPLE + 1}) AS seen
""",
    "text[]",
)
ERASED_PEOPLE = Statement(
    """SELECT subject, "user" FROM consent_tombstone WHERE subject = ANY($1) AND "user" <> ''""", "text[]"
)

People = dict[str, set[str]]  # users by the `anon:` form of a session or an installation
_Link = tuple[str, str, int, datetime | None]  # name, user, month, and the user's tombstone at that time
_Who = tuple[str, str, str]  # user, session and installation
_Seen = tuple[_Who, int, datetime | None]  # and the month, and the user's tombstone at that time
_stored: dict[_Link, None] = {}
_seen: dict[_Seen, None] = {}  # whose links are all stored: asked for every row, so it must be cheap


def names_of(row: Row) -> list[str]:
    """The `anon:` forms of a row's session and installation, the narrower one first."""
    names = []
    if row.session:
        names.append(anonymous_user(session=row.session))
    if row.installation:
        names.append(anonymous_user(installation=row.installation))
    return names


def of_nobody(rows: Iterable[Row]) -> list[Row]:
    """The rows that name no user, but a session or an installation that may be somebody's."""
    return [row for row in rows if not row.user and (row.session or row.installation)]


def read_people(analytics: psycopg.Connection[Any], names: Collection[str]) -> People:
    """Whose these sessions and installations are. Links before tombstones: erasure goes the other way."""
    default = connections["default"]
    default.ensure_connection()
    people: People = {}
    for connection, statement in ((analytics, PEOPLE), (default.connection, ERASED_PEOPLE)):
        (rows,) = pipeline.ask(connection, (statement, (text_array(names),)))
        for row in range(rows.ntuples):
            name, user = (rows.get_value(row, column) or b"" for column in (0, 1))
            people.setdefault(name.decode(), set()).add(user.decode())
    return people


def add_people(people: People, rows: Iterable[Row]) -> None:
    """Add those whom the rows of this request name, whether or not they may be stored."""
    for row in rows:
        if row.user:
            for name in names_of(row):
                people.setdefault(name, set()).add(row.user)


def people_of(row: Row, people: Mapping[str, Collection[str]]) -> Collection[str]:
    """Whose row this is: everybody seen with its session, else with its installation."""
    return next((people[name] for name in names_of(row) if name in people), ())


class Links:
    """The links that a transaction must note: those of its rows that this process does not know as stored."""

    def __init__(self, rows: Sequence[Row], people: People, permissions: Permissions, now: datetime) -> None:
        self._recorded_at: dict[_Link, int] = {}
        self._seen: list[_Seen] = []
        for who, month in _latest_months(rows).items():
            user, session, installation = who
            if not session and not installation:
                continue
            if user:
                seen = (who, month, permissions.erased_until(user))
                if seen in _seen:
                    continue
                self._seen.append(seen)
            forms = (session and anonymous_user(session=session), anonymous_user(installation=installation))
            names = [name for name, named in zip(forms, (session, installation), strict=True) if named]
            for one in [user] if user else _only_person(names, people):
                for name in names:
                    self._add(name, one, month, permissions, now)

    def _add(self, name: str, user: str, month: int, permissions: Permissions, now: datetime) -> None:
        erased = permissions.erased_until(user)
        link = (name, user, month, erased)
        if link not in _stored:
            # An erasure takes what was recorded up to its tombstone. Later events need a later link.
            at = microseconds(now)
            self._recorded_at[link] = at if erased is None else max(at, microseconds(erased) + 1)

    def write(self, connection: psycopg.Connection[Any]) -> None:
        """Note them, in one order for every request, in the open transaction."""
        if self._recorded_at:
            # Of a pair whose rows lie in two months, the later one counts.
            pairs = {link[:2]: (link[2], at) for link, at in sorted(self._recorded_at.items(), key=_by_month)}
            links = sorted((*pair, *rest) for pair, rest in pairs.items())
            columns = zip(("text", "text", "int4", "timestamptz"), zip(*links, strict=True), strict=True)
            pipeline.ask(connection, (NOTE, [encode_array(kind, values) for kind, values in columns]))

    def are_committed(self) -> None:
        """This process need not note them again."""
        for known, new in ((_stored, self._recorded_at), (_seen, self._seen)):
            if len(known) + len(new) > MOST_REMEMBERED:
                known.clear()
        _stored.update(dict.fromkeys(self._recorded_at))
        _seen.update(dict.fromkeys(self._seen))


def forget() -> None:
    """Note every link anew: for tests, whose transactions are rolled back."""
    _stored.clear()
    _seen.clear()


def _latest_months(rows: Sequence[Row]) -> dict[_Who, int]:
    """By user, session and installation: the month of the latest row."""
    days = {row.timestamp // DAY for row in rows}
    if len({_month(day) for day in days}) == 1:  # as nearly always: then it costs little
        return dict.fromkeys(map(WHO, rows), _month(days.pop()))
    latest: dict[_Who, int] = {}
    for row in rows:
        who, month = WHO(row), _month(row.timestamp // DAY)
        latest[who] = max(month, latest.get(who, month))
    return latest


@lru_cache(maxsize=1024)
def _month(day: int) -> int:
    """The number of the month that a day is in, from the day's number among events' times."""
    month = Month.of(instant(day * DAY))
    return month.year * 12 + month.month - 1


def _only_person(names: Sequence[str], people: People) -> Collection[str]:
    """The one person whose session or installation this is; nobody when there are none or several."""
    known = next((people[name] for name in names if name in people), set())
    return known if len(known) == 1 else ()


def _by_month(item: tuple[_Link, int]) -> tuple[str, str, int]:
    return item[0][:3]
